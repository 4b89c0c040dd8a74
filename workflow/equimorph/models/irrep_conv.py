"""A steerable convolution that computes escnn's function in the irrep basis, where it is sparse."""

from collections.abc import Iterator
from functools import cached_property
from typing import Any

import torch
from torch import nn

from equimorph.errors import InputError
from equimorph.groups.escnn import enn
from equimorph.models.irrep_basis import NotSparse, routes
from equimorph.models.irrep_cost import Layer, sparse_pays
from equimorph.models.irrep_product import Product, SteerableProduct, convolve, matrices

METHODS = ("auto", "sparse", "dense")
_EXPANDED = ("filter", "expanded_bias")

# Finding the routes of a basis takes about a second; escnn shares a basis between layers, too.
_PRODUCTS: dict[int, tuple[nn.Module, tuple[Product, Product] | None]] = {}


class IrrepConv(enn.R2Conv):
    """escnn's R2Conv, computed in the irrep basis wherever that is faster.

    Field types, parameters, initialisation and state dict are R2Conv's. Layers that the sparse form
    does not cover (several kinds of fields, groups, dilation) run escnn's code.

    Attributes:
        method: `sparse`, `dense` (escnn's code) or `auto`, which asks a cost model.
    """

    method: str = "auto"

    def __init__(self, *args: Any, method: str = "auto", **kwargs: Any):
        """Take R2Conv's arguments and `method`."""
        super().__init__(*args, **kwargs)
        self._adapt(method)

    @classmethod
    def adopt(cls, conv: enn.R2Conv, method: str = "auto") -> "IrrepConv":
        """Turn an R2Conv, in place, into an IrrepConv with the same parameters."""
        conv.__class__ = cls
        conv._adapt(method)
        return conv

    def _adapt(self, method: str) -> None:
        if method not in METHODS:
            raise InputError(f"method {method!r}: allowed are {', '.join(METHODS)}.")
        self.method = method
        self._cache: dict[str, tuple[tuple, Any]] = {}
        self._drop_expanded()
'''

    def forward(self, input: enn.GeometricTensor) -> enn.GeometricTensor:
        """Convolve; the type of `input` must be the layer's."""
        if not self.is_sparse(input.tensor.shape, input.tensor.dtype):
            return super().forward(input)
        assert input.type == self.in_type
        tensor, padding = self._padded(input.tensor)
        if torch.is_autocast_enabled(tensor.device.type):
            tensor = tensor.to(torch.get_autocast_dtype(tensor.device.type))
        fields = tensor.unflatten(1, (len(self.in_type), -1))
        forth, back = self._products()
        if torch.is_grad_enabled():
            output = SteerableProduct.apply(
                fields, self._pair_weights(), forth, back, padding, self.stride
            )
        else:
            mixing = self._remember("mixing", fields, lambda: matrices(forth, self._pair_weights(), fields))
            output = convolve(fields, mixing, forth, padding, self.stride)
        output = output.flatten(1, 2)
        if self.bias is not None:
            output = output + (self.bias_expansion @ self.bias).to(output)[:, None, None]
        return enn.GeometricTensor(output, self.out_type, coords=None)
