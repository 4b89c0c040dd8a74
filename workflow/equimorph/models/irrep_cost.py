"""Predict whether a steerable convolution is faster in the irrep basis or expanded."""

from dataclasses import dataclass

import torch


@dataclass(frozen=True)
class Rates:
    """What one core does, in nanoseconds; only the ratios matter.

    Attributes:
        matrix: a multiply-add of a large matrix product.
        convolution: a multiply-add of a dense convolution.
        element: one number through one elementwise operation, caches warm.
        copy: one number moved between maps and the flat axis, or permuted.
        call: one tensor operation, however small.
    """

    matrix: float
    convolution: float
    element: float
    copy: float
    call: float


# Measured with tests/benchmarks/steerable_conv.py --rates on an AMD EPYC (Zen 4), one thread.
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
        grid: pixels of the flat axis, which include padding and, at stride 2, every position.
        gradients: whether a backward pass follows.
        expanded: whether the dense filter is at hand.
    """

    fields: tuple[int, int]
    sizes: tuple[int, int]
    kernel_size: int
    weights: int
    pixels: int
    grid: int
    gradients: bool
    expanded: bool


@dataclass(frozen=True)
class Work:
    """What a route costs per field and pixel.

    Attributes:
        mixing: multiply-adds per pair of fields.
        operations: elementwise operations of the stencils, on as many numbers as a field has.
        features: number of features.
        calls: tensor operations per chunk.
    """

    mixing: int
    operations: int
    features: int
    calls: int


def dense_seconds(call: Call, rates: Rates) -> float:
    """Predict the time of escnn's convolution."""
    filters = call.fields[0] * call.fields[1] * call.sizes[0] * call.sizes[1] * call.kernel_size**2
    passes = 3 if call.gradients else 1
    convolution = passes * filters * call.pixels * rates.convolution
    expansion = 0 if call.expanded else (passes - passes // 2) * filters * call.weights
    return 1e-9 * (convolution + expansion * rates.matrix)


def sparse_seconds(call: Call, route: Work, rates: Rates, chunk: int) -> float:
    """Predict the time of the sparse convolution."""
    pairs = call.fields[0] * call.fields[1]
    channels = [fields * size for fields, size in zip(call.fields, call.sizes, strict=True)]
    passes = 3 if call.gradients else 1
    total = passes * pairs * route.mixing * call.grid * rates.matrix
    ends = zip(channels, call.sizes, strict=True)
    total += passes * sum(c * n for c, n in ends) * call.grid * rates.matrix
    total += passes * sum(channels) * call.grid * rates.copy
    total += passes * pairs * call.weights * rates.copy
    for source in range(2 if call.gradients else 1):
        numbers = channels[source] * call.grid
        operations = route.operations + route.features / call.sizes[source]
        chunks = 1 + numbers * route.features / call.sizes[source] / chunk
        total += numbers * operations * rates.element + chunks * route.calls * rates.call
    return 1e-9 * total
