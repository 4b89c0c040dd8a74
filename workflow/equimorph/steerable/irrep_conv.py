"""A steerable convolution that computes escnn's function in the irrep basis, where it is sparse."""

import hashlib
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch
from torch import nn

from equimorph.groups.escnn import enn
from equimorph.steerable.context import computing_dtype
from equimorph.steerable.irrep_basis import NotSparse, sparse_forms
from equimorph.steerable.irrep_cost import Call, is_faster_sparse, rates
from equimorph.steerable.irrep_product import SparseConvolution, SparseConvolutionFunction

METHODS = ("auto", "sparse", "dense")
_EXPANDED = ("filter", "expanded_bias")

# A convolution and its adjoint, by a digest of the basis kernels and of the fields.
_FOUND: dict[bytes, tuple[SparseConvolution, SparseConvolution] | None] = {}


class IrrepConv(enn.R2Conv):
    """escnn's R2Conv, computed in the irrep basis where that is faster.

    Arguments, parameters, initialisation and state dict are those of R2Conv. A layer that the
    sparse form does not cover (fields of several kinds, groups, dilation) runs escnn's own code. In
    evaluation mode nothing is expanded before it is needed.

    Attributes:
        method: `auto` asks a cost model at every call; `sparse` and `dense` (escnn's code) fix it.
        sparse: the convolution and its adjoint in sparse form, None where there is none.
    """

    def __init__(self, *args: Any, method: str = "auto", **kwargs: Any):
        """Take R2Conv's arguments and `method`.

        Raises:
            ValueError: no such method.
        """
        super().__init__(*args, **kwargs)
        self.prepare(method)

    @classmethod
    def adopt(cls, conv: enn.R2Conv, method: str = "auto") -> "IrrepConv":
        """Turn an R2Conv in place into an IrrepConv with the same parameters.

        Raises:
            ValueError: no such method.
        """
        if not isinstance(conv, cls):
            conv.__class__ = cls
        conv.prepare(method)
        return conv

    def prepare(self, method: str) -> None:
        """Find the sparse form; the last step of a constructor.

        Raises:
            ValueError: no such method.
        """
        if method not in METHODS:
            raise ValueError(f"method {method!r}: allowed are {', '.join(METHODS)}.")
        self.method = method
        self.sparse = self._find_sparse()
        self._kept: dict[str, tuple[tuple, list[torch.Tensor], Any]] = {}
        self._forget()

    def _find_sparse(self) -> tuple[SparseConvolution, SparseConvolution] | None:
        ends = [set(field_type.representations) for field_type in (self.in_type, self.out_type)]
        if any(len(kinds) > 1 for kinds in ends) or self.groups != 1 or self.dilation != 1:
            return None
        expansion = self.basisexpansion
        (pair,) = expansion._representations_pairs
        block = getattr(expansion, f"block_expansion_{expansion._escape_pair(pair)}")
        kernels, (source,), (target,) = block.sampled_basis.cpu(), *ends
        key = _digest(kernels, source, target)
        if key not in _FOUND:
            try:
                form, adjoint = sparse_forms(kernels, source, target)
            except NotSparse:
                _FOUND[key] = None
            else:
                _FOUND[key] = SparseConvolution(form), SparseConvolution(adjoint)
        return _FOUND[key]

    def train(self, mode: bool = True) -> "IrrepConv":
        """Set the mode; unlike R2Conv's, this expands nothing."""
        self._forget()
        return nn.Module.train(self, mode)

    def _forget(self) -> None:
        self._kept.clear()
        for name in _EXPANDED:
            self._buffers.pop(name, None)
            self.__dict__.pop(name, None)

    def __getstate__(self) -> dict[str, Any]:
        """Leave out what can be computed again: a copy has parameters of its own."""
        return {**self.__dict__, "_kept": {}}

    def __getattr__(self, name: str) -> Any:
        """Expand `filter` and `expanded_bias`, which R2Conv has in evaluation mode, on demand."""
        if name in _EXPANDED and not self.training:
            return self._keep("expanded", self.expand_parameters)[_EXPANDED.index(name)]
        return super().__getattr__(name)

    def _keep(self, name: str, make: Callable[[], Any]) -> Any:
        """Return the result of `make` for the present parameters, computed once."""
        parameters = [p.detach() for p in self.parameters(recurse=False)]
        if any(map(_has_no_history, parameters)):
            return make()
        state = tuple((p.data_ptr(), p._version) for p in parameters)
        kept = self._kept.get(name)
        if kept is None or kept[0] != state:
            # A tensor made in inference mode could not take part in a later backward pass.
            with torch.inference_mode(False), torch.no_grad():
                # The parameters are stored with it, so that no others can take their addresses.
                kept = self._kept[name] = state, parameters, make()
        return kept[-1]

    def _save_to_state_dict(
        self, destination: dict[str, Any], prefix: str, keep_vars: bool
    ) -> None:
        super()._save_to_state_dict(destination, prefix, keep_vars)
        if not self.training:
            destination[prefix + "filter"] = self.filter
            if self.bias is not None:
                destination[prefix + "expanded_bias"] = self.expanded_bias

    def _load_from_state_dict(self, state_dict: dict[str, Any], prefix: str, *args: Any) -> None:
        for name in _EXPANDED:
            state_dict.pop(prefix + name, None)
        super()._load_from_state_dict(state_dict, prefix, *args)

    def is_sparse(
        self, shape: Sequence[int], dtype: torch.dtype, device: str, gradients: bool
    ) -> bool:
        """Tell whether an input would be convolved in the irrep basis.

        Args:
            shape: (B, C, H, W) of the input.
            dtype: type in which to compute.
            device: type of the device; on others than the CPU the dense form runs.
            gradients: whether a backward pass follows.
        """
        if self.sparse is None or self.method != "auto":
            return self.sparse is not None and self.method == "sparse"
        measured = rates(dtype, device)
        return measured is not None and is_faster_sparse(
            self.call(shape, gradients), self.sparse, measured
        )

    def call(self, shape: Sequence[int], gradients: bool) -> Call:
        """Return what the cost model needs to know of a call.

        Args:
            shape: (B, C, H, W) of the input.
            gradients: whether a backward pass follows.
        """
        batch, _, height, width = shape
        return Call(
            fields=(len(self.in_type), len(self.out_type)),
            sizes=(
                self.in_type.size // len(self.in_type),
                self.out_type.size // len(self.out_type),
            ),
            kernel_size=self.kernel_size,
            weights=self.weights.numel() // (len(self.in_type) * len(self.out_type)),
            input_pixels=batch * height * width,
            stride=self.stride,
            gradients=gradients,
            expanded=not self.training,
        )

    def forward(self, input: enn.GeometricTensor) -> enn.GeometricTensor:
        """Convolve."""
        tensor, device = input.tensor, input.tensor.device.type
        dtype = computing_dtype(tensor)
        if (
            self.sparse is None
            or not self.is_sparse(tensor.shape, dtype, device, torch.is_grad_enabled())
            or self._is_too_small(tensor)
            or any(map(_is_transformed, (tensor, *self.parameters(recurse=False))))
        ):
            return self._convolve_densely(input)
        assert input.type == self.in_type
        tensor, padding = self._pad(tensor.to(dtype))
        fields = tensor.unflatten(1, (len(self.in_type), -1))
        weights = self.weights.view(len(self.out_type), len(self.in_type), -1)
        convolution, adjoint = self.sparse
        if torch.is_grad_enabled():
            output = SparseConvolutionFunction.apply(
                fields, weights, convolution, adjoint, padding, self.stride
            )
        else:
            matrices = self._keep(f"matrices {dtype}", lambda: convolution.matrices(weights, dtype))
            output = convolution.convolve(fields, matrices, padding, self.stride)
        output = output.flatten(1, 2)
        if self.bias is not None:
            output = output + (self.bias_expansion @ self.bias).to(dtype)[:, None, None]
        return enn.GeometricTensor(output, self.out_type, coords=None)

    def _convolve_densely(self, input: enn.GeometricTensor) -> enn.GeometricTensor:
        """Convolve as R2Conv does, with gradients of the weights in evaluation mode, too."""
        parameters = self.parameters(recurse=False)
        learns = torch.is_grad_enabled() and any(p.requires_grad for p in parameters)
        if self.training or not learns:
            return super().forward(input)
        assert input.type == self.in_type
        kernel, bias = self.expand_parameters()
        tensor, padding = self._pad(input.tensor)
        output = nn.functional.conv2d(
            tensor, kernel, bias, self.stride, padding, self.dilation, self.groups
        )
        return enn.GeometricTensor(output, self.out_type, coords=None)

    def _is_too_small(self, tensor: torch.Tensor) -> bool:
        """Tell whether the output would have no pixel, which escnn's code refuses."""
        width = self.padding
        both = (width, width) if isinstance(width, int) else width
        sides = (n + 2 * p for n, p in zip(tensor.shape[2:], both, strict=True))
        return min(sides) < self.kernel_size

    def _pad(self, tensor: torch.Tensor) -> tuple[torch.Tensor, int]:
        """Pad as far as the sparse convolution cannot; return the rest of the padding."""
        width = self.padding
        if self.padding_mode == "zeros" and isinstance(width, int) and width < self.kernel_size:
            return tensor, width
        vertical, horizontal = (width, width) if isinstance(width, int) else width
        sides = (horizontal, horizontal, vertical, vertical)
        mode = "constant" if self.padding_mode == "zeros" else self.padding_mode
        return nn.functional.pad(tensor, sides, mode), 0


def _digest(kernels: torch.Tensor, source: Any, target: Any) -> bytes:
    """Identify what a sparse form depends on."""
    known = kernels.shape, kernels.dtype, source.irreps, target.irreps
    total = hashlib.sha256(repr(known).encode())
    total.update(
        kernels.clone(memory_format=torch.contiguous_format).view(torch.uint8).numpy().data
    )
    for change_of_basis in (source.change_of_basis, target.change_of_basis):
        total.update(np.ascontiguousarray(change_of_basis).data)
    return total.digest()


def _is_transformed(tensor: torch.Tensor) -> bool:
    """Tell whether a tensor is inside a torch.func transform, which only escnn's code supports."""
    return torch._C._functorch.is_functorch_wrapped_tensor(tensor)


def _has_no_history(tensor: torch.Tensor) -> bool:
    """Tell whether torch does not count the changes of a tensor."""
    return tensor.is_inference() or _is_transformed(tensor)


def use_irrep_convolutions(network: nn.Module, method: str = "auto") -> nn.Module:
    """Turn every R2Conv of a network, in place, into an IrrepConv; return the network.

    Subclasses, which may have a forward pass of their own, stay as they are.
    """
    for module in network.modules():
        if type(module) is enn.R2Conv or isinstance(module, IrrepConv):
            IrrepConv.adopt(module, method)
    return network
