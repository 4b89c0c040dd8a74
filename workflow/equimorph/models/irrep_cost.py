"""Predict whether a steerable convolution is faster in the irrep basis or expanded."""

from dataclasses import dataclass

import torch

from equimorph.models.irrep_product import FEATURE_CHUNK, Product


@dataclass(frozen=True)
class Rates:
    """What one core takes, in nanoseconds.

    Attributes:
        matrix: for a multiply-add of a matrix product.
        convolution: for a multiply-add of a dense convolution.
        element: for one number in an elementwise operation.
        copy: for one number that changes its place.
        call: for a tensor operation, however small.
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


@dataclass(frozen=True)
class Call:
    """One call of a layer.

    Attributes:
        fields: numbers of input and output fields.
        sizes: channels per input and output field.
        kernel_size: side of the kernel.
        weights: number of basis kernels per pair of fields.
        pixels: of the output, over the batch.
        grid: pixels of the flat axis.
        gradients: whether a backward pass follows.
        expanded: whether the filter is at hand.
    """

    fields: tuple[int, int]
    sizes: tuple[int, int]
    kernel_size: int
    weights: int
    pixels: int
    grid: int
    gradients: bool
    expanded: bool


def dense_seconds(call: Call, rates: Rates) -> float:
    """Predict the time of escnn's convolution."""
    passes = 3 if call.gradients else 1
    filters = call.fields[0] * call.fields[1] * call.sizes[0] * call.sizes[1] * call.kernel_size**2
    total = passes * filters * call.pixels * rates.convolution
    if not call.expanded:
        total += (2 if call.gradients else 1) * filters * call.weights * rates.matrix
    return 1e-9 * total


def sparse_seconds(call: Call, forth: Product, back: Product, rates: Rates) -> float:
    """Predict the time of the sparse convolution."""
    pairs = call.fields[0] * call.fields[1]
    channels = [fields * size for fields, size in zip(call.fields, call.sizes, strict=True)]
    passes = 3 if call.gradients else 1
    per_pixel = pairs * forth.route.mixing * rates.matrix
    for count, size in zip(channels, call.sizes, strict=True):
        per_pixel += count * (size * rates.matrix + 2 * rates.copy)
    total = passes * (per_pixel * call.grid + pairs * call.weights * rates.copy)
    for product, fields in ((forth, call.fields[0]), (back, call.fields[1]))[: 1 + call.gradients]:
        numbers = fields * call.grid
        chunks = 1 + numbers * product.route.features // FEATURE_CHUNK
        total += numbers * product.operations * rates.element
        total += chunks * product.calls * rates.call
    return 1e-9 * total
