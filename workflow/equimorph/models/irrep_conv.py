"""A steerable convolution that computes escnn's function in the irrep basis, where it is sparse."""

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import nn

from equimorph.errors import InputError
from equimorph.groups.escnn import enn
from equimorph.models.irrep_basis import NotSparse, routes
from equimorph.models.irrep_cost import CPU_RATES, Call, dense_seconds, sparse_seconds
from equimorph.models.irrep_product import Grid, Product, SteerableProduct, convolve, matrices

METHODS = ("auto", "sparse", "dense")

# Layers between the same kinds of fields share the samples of their kernels, and so the routes.
_ROUTES: dict[int, tuple[torch.Tensor, tuple[Product, Product] | None]] = {}


class IrrepConv(enn.R2Conv):
    """escnn's R2Conv, computed in the irrep basis where that is faster.

    Arguments, parameters, initialisation and state dict are R2Conv's. A layer that the sparse form
    does not cover (fields of several kinds, groups, dilation) runs escnn's own code. In evaluation
    mode nothing is expanded before it is needed.

    Attributes:
        method: `auto` asks a cost model at every call; `sparse` and `dense` (escnn's code) force.
    """

    def __init__(self, *args: Any, method: str = "auto", **kwargs: Any):
        """Take R2Conv's arguments and `method`.

        Raises:
            InputError: no such method.
        """
        super().__init__(*args, **kwargs)
        self._adapt(method)

    @classmethod
    def adopt(cls, conv: enn.R2Conv, method: str = "auto") -> "IrrepConv":
        """Turn an R2Conv in place into an IrrepConv with the same parameters."""
        conv.__class__ = cls
        conv._adapt(method)
        return conv

    def _adapt(self, method: str) -> None:
        if method not in METHODS:
            raise InputError(f"method {method!r}: allowed are {', '.join(METHODS)}.")
        self.method = method
        self.products = self._find_products()
        self._kept: dict[str, tuple[tuple, Any]] = {}
        self._forget_expanded()

    def _find_products(self) -> tuple[Product, Product] | None:
        """Return the sparse convolution and its adjoint, or None where there is none."""
        expansion = self.basisexpansion
        one_kind = (
            len(set(self.in_type.representations)) == len(set(self.out_type.representations)) == 1
        )
        if not one_kind or self.groups != 1 or self.dilation != 1:
            return None
        (pair,) = expansion._representations_pairs
        kernels = getattr(
            expansion, f"block_expansion_{expansion._escape_pair(pair)}"
        ).sampled_basis
        if id(kernels) not in _ROUTES:
            ends = self.in_type.representations[0], self.out_type.representations[0]
            try:
                forth, back = routes(kernels.cpu(), *ends)
                _ROUTES[id(kernels)] = kernels, (Product(forth), Product(back))
            except NotSparse:
                _ROUTES[id(kernels)] = kernels, None
        return _ROUTES[id(kernels)][1]

    def train(self, mode: bool = True) -> "IrrepConv":
        """Set the mode; unlike R2Conv, expand the filter only when something asks for it."""
        self._forget_expanded()
        return nn.Module.train(self, mode)

    def _forget_expanded(self) -> None:
        self._kept.clear()
        for name in ("filter", "expanded_bias"):
            self._buffers.pop(name, None)
            self.__dict__.pop(name, None)

    def __getattr__(self, name: str) -> Any:
        """Expand `filter` and `expanded_bias` on demand in evaluation mode, where R2Conv has them."""
        if name in ("filter", "expanded_bias") and not self.training:
            with torch.no_grad():
                expanded = self._keep("expanded", self.weights.dtype, self.expand_parameters)
            return expanded[name == "expanded_bias"]
        return super().__getattr__(name)

    def _keep(self, name: str, dtype: torch.dtype, make: Callable[[], Any]) -> Any:
        """Return what `make` returned for the present parameters."""
        parameters = list(self.parameters(recurse=False))
        state = (dtype, *((p.data_ptr(), p._version) for p in parameters))
        if name not in self._kept or self._kept[name][0] != state:
            self._kept[name] = state, make()
        return self._kept[name][1]

    def _save_to_state_dict(self, destination, prefix, keep_vars):
        super()._save_to_state_dict(destination, prefix, keep_vars)
        if not self.training:
            destination[prefix + "filter"] = self.filter
            if self.bias is not None:
                destination[prefix + "expanded_bias"] = self.expanded_bias

    def _load_from_state_dict(self, state_dict, prefix, *args):
        for name in ("filter", "expanded_bias"):
            state_dict.pop(prefix + name, None)
        super()._load_from_state_dict(state_dict, prefix, *args)

    def is_sparse(
        self, shape: Sequence[int], dtype: torch.dtype, device: str, gradients: bool
    ) -> bool:
        """Tell how a tensor would be convolved.

        Args:
            shape: (B, C, H, W) of the input.
            dtype: in which to compute.
            device: type of the device.
            gradients: whether a backward pass follows.
        """
        if self.method == "dense" or self.products is None:
            return False
        if self.method == "sparse":
            return True
        if device != "cpu" or dtype not in CPU_RATES:
            return False
        forth, back = self.products
        batch, _, height, width = self.evaluate_output_shape(shape)
        across = self.kernel_size - 1
        call = Call(
            fields=(len(self.in_type), len(self.out_type)),
            sizes=(self.in_type.representations[0].size, self.out_type.representations[0].size),
            kernel_size=self.kernel_size,
            weights=self.weights.numel() // (len(self.in_type) * len(self.out_type)),
            pixels=batch * height * width,
            grid=batch * (height * self.stride + across) * (width * self.stride + across),
            gradients=gradients,
            expanded=not self.training,
        )
        rates = CPU_RATES[dtype]
        return sparse_seconds(call, forth, back, rates) < dense_seconds(call, rates)

    def forward(self, input: enn.GeometricTensor) -> enn.GeometricTensor:
        """Convolve."""
        tensor = input.tensor
        device = tensor.device.type
        dtype = tensor.dtype
        if torch.is_autocast_enabled(device):
            dtype = torch.get_autocast_dtype(device)
        if not self.is_sparse(tensor.shape, dtype, device, torch.is_grad_enabled()):
            return super().forward(input)
        assert input.type == self.in_type
        tensor, padding = self._pad(tensor.to(dtype))
        fields = tensor.unflatten(1, (len(self.in_type), -1))
        weights = self.weights.view(len(self.out_type), len(self.in_type), -1)
        forth, back = self.products
        if torch.is_grad_enabled():
            output = SteerableProduct.apply(fields, weights, forth, back, padding, self.stride)
        else:
            mixing = self._keep("mixing", dtype, lambda: matrices(forth, weights, fields))
            output = convolve(fields, mixing, forth, padding, self.stride)
        output = output.flatten(1, 2)
        if self.bias is not None:
            output = output + (self.bias_expansion @ self.bias).to(dtype)[:, None, None]
        return enn.GeometricTensor(output, self.out_type, coords=None)

    def _pad(self, tensor: torch.Tensor) -> tuple[torch.Tensor, int]:
        """Pad what the sparse convolution does not pad itself; return what is left to it."""
        width = self.padding
        if self.padding_mode == "zeros" and isinstance(width, int) and width < self.kernel_size:
            return tensor, width
        vertical, horizontal = (width, width) if isinstance(width, int) else width
        sides = (horizontal, horizontal, vertical, vertical)
        mode = "constant" if self.padding_mode == "zeros" else self.padding_mode
        return nn.functional.pad(tensor, sides, mode), 0


def use_irrep_convolutions(network: nn.Module, method: str = "auto") -> nn.Module:
    """Turn every R2Conv of an escnn network, in place, into an IrrepConv; return the network."""
    for module in network.modules():
        if isinstance(module, enn.R2Conv):
            IrrepConv.adopt(module, method)
    return network
