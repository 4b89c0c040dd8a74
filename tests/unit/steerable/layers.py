"""Convolutions, escnn's and ours, and how far apart their outputs and gradients are."""

import copy

import torch

from equimorph.groups.escnn import enn
from equimorph.groups.names import parse_group
from equimorph.steerable.convolution import plane
from equimorph.steerable.irrep_basis import SparseForm
from equimorph.steerable.irrep_conv import IrrepConv


def regular(group, fields):
    space = plane(parse_group(group))
    return enn.FieldType(space, fields * [space.regular_repr])


def escnns(group, shape=(3, 1, 1), fields=(2, 3), **arguments):
    """Return escnn's own convolution with random weights."""
    kernel_size, padding, stride = shape
    conv = enn.R2Conv(
        regular(group, fields[0]),
        regular(group, fields[1]),
        kernel_size,
        padding=padding,
        stride=stride,
        initialize=False,
        **arguments,
    )
    # A copy: escnn's layers share their bases, and a test may change them.
    conv = copy.deepcopy(conv)
    generator = torch.Generator().manual_seed(0)
    for parameter in conv.parameters():
        parameter.data = torch.randn(parameter.shape, generator=generator)
    return conv.train()


def ours(conv):
    return IrrepConv.adopt(copy.deepcopy(conv), method="sparse").train()


def maps(conv, size=(10, 9), batch=3):
    generator = torch.Generator().manual_seed(1)
    return torch.randn(batch, conv.in_type.size, *size, generator=generator)


def convolve(conv, tensor):
    return conv(enn.GeometricTensor(tensor, conv.in_type)).tensor


def outputs_and_gradients(conv, tensor):
    tensor = tensor.clone().requires_grad_()
    output = convolve(conv, tensor)
    generator = torch.Generator().manual_seed(2)
    gradient = torch.randn(output.shape, generator=generator, dtype=output.dtype)
    output.backward(gradient)
    return [output, tensor.grad, *(p.grad for p in conv.parameters())]


def largest_difference(found, expected):
    """Largest difference of two tensors relative to the largest entry."""
    assert found.shape == expected.shape and found.dtype == expected.dtype
    return ((found - expected).abs().max() / expected.abs().max()).item()


def worst(found, expected):
    return max(map(largest_difference, found, expected))


def kernel_block(conv):
    expansion = conv.basisexpansion
    (pair,) = expansion._representations_pairs
    return getattr(expansion, f"block_expansion_{expansion._escape_pair(pair)}")


def kernels_of(form: SparseForm) -> torch.Tensor:
    """Basis kernels (B, n_out, n_in, k * k), rebuilt from what a sparse form says."""
    terms = {}
    for feature_sum in form.sums:
        for place, row in enumerate(range(*feature_sum.features.indices(form.features))):
            terms[row] = [
                (stencil, range(*where.indices(10**6))[place], sign)
                for stencil, where, sign in feature_sum.terms
            ]
    count = 1 + max(int(mixing.weight.max()) for mixing in form.mixings)
    sparse = torch.zeros(
        count, form.from_irreps.shape[1], len(form.to_irreps), form.stencils[0].numel()
    ).double()
    for mixing in form.mixings:
        for repeat in range(mixing.repeats):
            for row in range(mixing.rows):
                for column in range(mixing.columns):
                    output = mixing.outputs + repeat * mixing.rows + row
                    for stencil, component, sign in terms[
                        mixing.features + repeat * mixing.columns + column
                    ]:
                        sparse[mixing.weight[row, column], output, component] += (
                            mixing.scale[row, column] * sign * form.stencils[stencil].flatten()
                        )
    return torch.einsum("oi,bicp,cj->bojp", form.from_irreps, sparse, form.to_irreps)
