"""Predict whether a steerable convolution is faster in the irrep basis or expanded."""

from dataclasses import dataclass

import torch

from equimorph.steerable import irrep_product
from equimorph.steerable.context import EXPANDED_ONLY
from equimorph.steerable.irrep_product import SparseConvolution


@dataclass(frozen=True)
class Rates:
    """Nanoseconds that one core takes for each kind of work.

    Attributes:
        matrix: a multiply-add of a matrix product.
        convolution: a multiply-add of a dense convolution.
        element: a number in an elementwise operation.
        copy: a number that is copied to another place.
        call: a tensor operation, however small.
    """

    matrix: float
    convolution: float
    element: float
    copy: float
    call: float


CPU_RATES = {
    torch.float32: Rates(0.020, 0.021, 0.28, 0.8, 2500.0),
    torch.bfloat16: Rates(0.0095, 0.0105, 0.33, 0.8, 2500.0),
}

# The sparse form must be predicted to be this many times as fast. The rates are those of one
# thread; on two, its many small operations gain less than one large convolution does: networks of
# C2, C4 and D2, predicted at 1 to 3 times escnn's speed, measured 0.6 to 1.0
# (tests/benchmarks/steerable_conv.py).
MARGIN = 3.0


def rates(dtype: torch.dtype, device: str) -> Rates | None:
    """Return the rates of computing in `dtype`, None where the dense form is to run.

    Args:
        dtype: type in which to compute.
        device: type of the device; `meta`, where tensors are shapes alone, counts as the CPU.
    """
    known = device in ("cpu", "meta") and not EXPANDED_ONLY.get()
    return CPU_RATES.get(dtype) if known else None


@dataclass(frozen=True)
class Call:
    """One call of a layer.

    Attributes:
        fields: numbers of input and output fields.
        sizes: channels per input and output field.
        kernel_size: side of the kernel.
        weights: number of basis kernels per pair of fields.
        input_pixels: number of pixels of the input, over the batch.
        stride: stride of the convolution.
        gradients: whether a backward pass follows.
        expanded: whether the dense filter is at hand.
    """

    fields: tuple[int, int]
    sizes: tuple[int, int]
    kernel_size: int
    weights: int
    input_pixels: int
    stride: int
    gradients: bool
    expanded: bool

    @property
    def pairs(self) -> int:
        """Number of pairs of fields."""
        return self.fields[0] * self.fields[1]


def dense_seconds(call: Call, rates: Rates) -> float:
    """Predict the time of escnn's convolution and of the expansion of its filter."""
    numbers = call.pairs * call.sizes[0] * call.sizes[1] * call.kernel_size**2
    pixels = call.input_pixels / call.stride**2
    convolution = (3 if call.gradients else 1) * numbers * pixels * rates.convolution
    expansions = 2 if call.gradients else not call.expanded
    return 1e-9 * (convolution + expansions * numbers * call.weights * rates.matrix)


def dense_macs(call: Call) -> int:
    """Return the multiply-adds of escnn's convolution, its filter at hand."""
    numbers = call.pairs * call.sizes[0] * call.sizes[1] * call.kernel_size**2
    return numbers * call.input_pixels // call.stride**2


def sparse_macs(call: Call, convolution: SparseConvolution) -> int:
    """Return the multiply-adds of the sparse convolution, which computes every pixel at any stride.

    Both changes of basis, the mixing matrices, and the stencils, each elementwise operation as one.
    """
    per_pixel = call.pairs * convolution.form.mixing_macs
    for fields, size in zip(call.fields, call.sizes, strict=True):
        per_pixel += fields * size**2
    return (per_pixel + call.fields[0] * convolution.operations) * call.input_pixels


def is_faster_sparse(
    call: Call, forms: tuple[SparseConvolution, SparseConvolution], rates: Rates
) -> bool:
    """Tell whether the sparse form, of a convolution and its adjoint, is predicted to be faster."""
    return MARGIN * sparse_seconds(call, *forms, rates) < dense_seconds(call, rates)


def sparse_seconds(
    call: Call, convolution: SparseConvolution, adjoint: SparseConvolution, rates: Rates
) -> float:
    """Predict the time of the sparse convolution, which computes every pixel at any stride."""
    passes = 3 if call.gradients else 1
    per_pixel = call.pairs * convolution.form.mixing_macs * rates.matrix
    for fields, size in zip(call.fields, call.sizes, strict=True):
        per_pixel += fields * size * (size * rates.matrix + 2 * rates.copy)
    per_weight = call.pairs * call.weights * rates.copy
    total = passes * (per_pixel * call.input_pixels + per_weight)
    directions = [(convolution, call.fields[0]), (adjoint, call.fields[1])]
    for sparse, fields in directions if call.gradients else directions[:1]:
        numbers = fields * call.input_pixels
        tiles = 1 + 4 * numbers * sparse.form.features // irrep_product.FEATURE_BYTES
        total += numbers * sparse.operations * rates.element + tiles * sparse.calls * rates.call
    return 1e-9 * total
