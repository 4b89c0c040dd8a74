"""The sparse product computes escnn's function and its gradients, whatever the shapes."""

import copy
from concurrent.futures import ThreadPoolExecutor

import pytest
import torch
from torch.utils.checkpoint import checkpoint

from equimorph.groups.escnn import enn
from equimorph.groups.names import parse_group
from equimorph.steerable import irrep_product
from equimorph.steerable.convolution import plane
from tests.unit.steerable.layers import (
    convolve,
    escnns,
    kernel_block,
    kernels_of,
    largest_difference,
    maps,
    ours,
    outputs_and_gradients,
    regular,
    worst,
)

GROUPS = ["C1", "C2", "C4", "C8", "C16", "D1", "D2", "D4", "D8", "D16"]
SMALL_GROUPS = ["C1", "C4", "D1", "D4"]
# kernel size, padding, stride
SHAPES = [(3, 1, 1), (3, 0, 2), (3, 2, 2), (5, 2, 1), (5, 1, 2), (7, 3, 2), (7, 5, 1), (4, 1, 1)]
# Stride 1 with 3 x 3 pixels: test_equals_escnn_in_single_precision.
FEWER_SHAPES = [(3, 2, 2), (5, 2, 1), (5, 1, 2), (7, 3, 2), (7, 5, 1)]


@pytest.mark.parametrize("group", GROUPS)
def test_equals_escnn_in_single_precision(group):
    conv = escnns(group)
    x = maps(conv)
    assert worst(outputs_and_gradients(ours(conv), x), outputs_and_gradients(conv, x)) < 1e-5


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("group", SMALL_GROUPS)
def test_equals_escnn_for_every_shape(group, shape):
    conv = escnns(group, shape)
    x = maps(conv)
    assert worst(outputs_and_gradients(ours(conv), x), outputs_and_gradients(conv, x)) < 1e-5


@pytest.mark.slow
@pytest.mark.parametrize("shape", FEWER_SHAPES)
@pytest.mark.parametrize("group", [group for group in GROUPS if group not in SMALL_GROUPS])
def test_equals_escnn_for_every_group_and_shape(group, shape):
    conv = escnns(group, shape, fields=(1, 2))
    x = maps(conv, size=(8, 7), batch=1)
    assert worst(outputs_and_gradients(ours(conv), x), outputs_and_gradients(conv, x)) < 1e-5


@pytest.mark.parametrize("group", GROUPS)
def test_equals_escnn_in_double_precision(group):
    check_double_precision(escnns(group).double())


@pytest.mark.slow
@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("group", GROUPS)
def test_equals_escnn_in_double_precision_for_every_shape(group, shape):
    check_double_precision(escnns(group, shape, fields=(1, 2)).double())


def check_double_precision(conv):
    """Compare with kernels free of rounding: escnn samples its own in single precision."""
    sparse = ours(conv)
    kernel_block(conv).sampled_basis = kernels_of(sparse.sparse[0].form)
    x = maps(conv).double()
    assert worst(outputs_and_gradients(sparse, x), outputs_and_gradients(conv, x)) < 1e-10


@pytest.mark.parametrize(
    ("shape", "size", "batch"),
    [
        ((3, 1, 1), (1, 1), 2),
        ((3, 1, 3), (7, 8), 2),
        ((5, 2, 3), (2, 1), 3),
        ((7, 3, 2), (1, 9), 1),
        ((3, 2, 1), (4, 5), 0),
        ((1, 0, 2), (5, 4), 2),
        ((4, 3, 3), (5, 1), 2),
    ],
)
def test_equals_escnn_on_odd_shapes(shape, size, batch):
    conv = escnns("C2", shape)
    x = maps(conv, size, batch)
    found, expected = (outputs_and_gradients(each, x) for each in (ours(conv), conv))
    for mine, theirs in zip(found, expected, strict=True):
        torch.testing.assert_close(mine, theirs, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("side", [1, 2])
def test_maps_smaller_than_the_kernel_are_refused(side):
    conv = ours(escnns("C4", (3, 0, 1)))
    with pytest.raises(RuntimeError, match="Kernel size can't be greater"):
        convolve(conv, maps(conv, size=(side, 5)))


def test_layout_of_the_input_does_not_matter():
    conv = ours(escnns("D2"))
    x = maps(conv)
    expected = outputs_and_gradients(conv, x)
    strided = torch.stack([x, x], dim=-1)[..., 0]
    for strange in (x.to(memory_format=torch.channels_last), x.mT.contiguous().mT, strided):
        conv.zero_grad()
        leaf = strange.detach().requires_grad_()
        output = convolve(conv, leaf)
        output.backward(torch.randn(output.shape, generator=torch.Generator().manual_seed(2)))
        found = [output, leaf.grad, *(p.grad for p in conv.parameters())]
        assert worst(found, expected) < 1e-5


def test_gradients_of_the_weights_or_of_the_input_alone():
    conv = ours(escnns("C4", bias=False))
    x = maps(conv)
    _, of_input, of_weights = outputs_and_gradients(conv, x)
    output = convolve(conv, x)
    gradient = torch.randn(output.shape, generator=torch.Generator().manual_seed(2))
    (found,) = torch.autograd.grad(output, conv.weights, gradient)
    assert largest_difference(found, of_weights) < 1e-5
    leaf = x.clone().requires_grad_()
    (found,) = torch.autograd.grad(convolve(conv.requires_grad_(False), leaf), leaf, gradient)
    assert largest_difference(found, of_input) < 1e-5


def test_second_derivatives_are_refused():
    conv = ours(escnns("C2"))
    x = maps(conv).requires_grad_()
    (first,) = torch.autograd.grad(convolve(conv, x).square().sum(), x, create_graph=True)
    with pytest.raises(RuntimeError, match="once_differentiable"):
        first.sum().backward()


def test_layers_share_their_memory_with_checkpoints_and_threads():
    """Features of one layer are overwritten by the next, and by nobody else."""
    first, second = ours(escnns("C4", fields=(2, 2))), ours(escnns("C4", (5, 2, 1), fields=(2, 2)))

    def both(x):
        return convolve(second, torch.relu(convolve(first, x)))

    def gradient(x, forward=both):
        x = x.clone().requires_grad_()
        return torch.autograd.grad(forward(x).square().sum(), x)[0]

    inputs = [maps(first, size=(side, 11)) for side in (9, 13, 8, 12)]
    expected = [gradient(x) for x in inputs]
    again = gradient(inputs[0], lambda x: checkpoint(both, x, use_reentrant=False))
    assert torch.equal(again, expected[0])
    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(gradient, 3 * inputs))
    assert all(map(torch.equal, found, 3 * expected))


@pytest.mark.parametrize("memory", [1, 10_000, 20_000])
@pytest.mark.parametrize("shape", [(3, 1, 1), (3, 1, 2), (5, 3, 2)])
def test_tiles_do_not_show(shape, memory, monkeypatch):
    conv = ours(escnns("D2", shape))
    x = maps(conv, size=(6, 5), batch=3)
    expected = outputs_and_gradients(conv, x)
    conv.zero_grad()
    monkeypatch.setattr(irrep_product, "FEATURE_BYTES", memory)
    monkeypatch.setattr(irrep_product, "STENCIL_BYTES", memory // 10)
    assert worst(outputs_and_gradients(conv, x), expected) < 1e-5


def test_half_precision_is_as_close_as_escnns():
    conv = escnns("D4", fields=(8, 8))
    x = maps(conv)
    exact = outputs_and_gradients(conv, x)
    errors = []
    for layer in (ours(conv), conv):
        layer.zero_grad()
        with torch.autocast("cpu", dtype=torch.bfloat16):
            rounded = outputs_and_gradients(layer, x)
        assert rounded[0].dtype == torch.bfloat16
        errors.append(
            [(a.float() - b).norm() / b.norm() for a, b in zip(rounded, exact, strict=True)]
        )
    assert all(mine < 2 * theirs + 2e-3 for mine, theirs in zip(*errors, strict=True))


def test_gradients_of_half_precision_weights_add_up_in_full(monkeypatch):
    """Hundreds of tiles, whose sum in bf16 would stop to grow."""
    conv = ours(escnns("C2", fields=(1, 1), bias=False))
    x = torch.ones(8, 2, 33, 33)
    convolve(conv, x).sum().backward()
    half = copy.deepcopy(conv).bfloat16()
    half.zero_grad()
    monkeypatch.setattr(irrep_product, "FEATURE_BYTES", 2000)
    convolve(half, x.bfloat16()).sum().backward()
    assert half.weights.grad.dtype == torch.bfloat16
    assert largest_difference(half.weights.grad.float(), conv.weights.grad) < 0.01


@pytest.mark.parametrize("mode", ["zeros", "reflect", "circular"])
@pytest.mark.parametrize("padding", [2, (1, 2), 4])
def test_padding_of_every_kind(mode, padding):
    conv = escnns("C4", (3, padding, 1), padding_mode=mode)
    x = maps(conv)
    assert worst(outputs_and_gradients(ours(conv), x), outputs_and_gradients(conv, x)) < 1e-5


@pytest.mark.parametrize("reverse", [False, True], ids=["trivial to regular", "regular to trivial"])
def test_trivial_fields(reverse):
    space = plane(parse_group("D4"))
    ends = [enn.FieldType(space, 3 * [space.trivial_repr]), regular("D4", 2)]
    conv = enn.R2Conv(*ends[:: -1 if reverse else 1], 3, padding=1).train()
    x = maps(conv)
    assert worst(outputs_and_gradients(ours(conv), x), outputs_and_gradients(conv, x)) < 1e-5
