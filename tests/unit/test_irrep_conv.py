"""The sparse steerable convolution computes the function of escnn's, and its gradients."""

import copy

import pytest
import torch
from torch.nn.functional import cross_entropy

from equimorph.errors import InputError
from equimorph.groups.escnn import enn
from equimorph.groups.names import parse_group
from equimorph.models import irrep_product
from equimorph.models.gcnn import GCNN
from equimorph.models.irrep_basis import NotSparse, Route, routes
from equimorph.models.irrep_conv import IrrepConv, chosen_methods, use_irrep_convolutions
from equimorph.models.registry import initialise
from equimorph.models.steerable import plane, steerable_conv
from equimorph.models.widths import Trunk

GROUPS = ["C1", "C2", "C4", "C8", "C16", "D1", "D2", "D4", "D8", "D16"]
SMALL_GROUPS = ["C1", "C4", "D1", "D4"]
# kernel size, padding, stride
SHAPES = [(3, 1, 1), (3, 0, 2), (3, 2, 2), (5, 2, 1), (5, 1, 2), (7, 3, 2), (7, 5, 1), (4, 1, 1)]


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


def kernels_of(route: Route) -> torch.Tensor:
    """Basis kernels (B, n_out, n_in, k * k), rebuilt from what a route says."""
    terms = {}
    for run in route.runs:
        for place, row in enumerate(range(*run.features.indices(route.features))):
            terms[row] = [
                (stencil, range(*where.indices(10**6))[place], sign)
                for stencil, where, sign in run.terms
            ]
    count = 1 + max(int(block.weight.max()) for block in route.blocks)
    sparse = torch.zeros(
        count, route.from_irreps.shape[1], len(route.to_irreps), route.stencils[0].numel()
    ).double()
    for block in route.blocks:
        for repeat in range(block.repeats):
            for row in range(block.rows):
                for slot in range(block.slots):
                    output = block.outputs + repeat * block.rows + row
                    for stencil, component, sign in terms[
                        block.features + repeat * block.slots + slot
                    ]:
                        sparse[block.weight[row, slot], output, component] += (
                            block.scale[row, slot] * sign * route.stencils[stencil].flatten()
                        )
    return torch.einsum("oi,bicp,cj->bojp", route.from_irreps, sparse, route.to_irreps)


@pytest.mark.parametrize(
    ("group", "features", "mixing"),
    [("C2", 12, 12), ("C8", 48, 84), ("C16", 96, 180), ("D8", 96, 168), ("D16", 192, 360)],
)
def test_features_and_multiply_adds_of_3x3_kernels(group, features, mixing):
    """Six features per channel; D groups need half of what their irreps' sizes squared give."""
    for sparse in ours(escnns(group, fields=(1, 1))).sparse:
        assert sparse.route.features == features
        assert sparse.route.mixing == mixing


@pytest.mark.parametrize("kernel_size", [3, 4, 5, 7])
@pytest.mark.parametrize("group", ["C1", "C8", "D1", "D8"])
def test_routes_say_the_kernels_of_escnn(group, kernel_size):
    conv = escnns(group, (kernel_size, 0, 1), fields=(1, 1))
    kernels = kernel_block(conv).sampled_basis
    forth, back = (sparse.route for sparse in ours(conv).sparse)
    torch.testing.assert_close(kernels_of(forth).float(), kernels, rtol=0, atol=2e-6)
    adjoint = kernels.transpose(1, 2).flip(3)
    torch.testing.assert_close(kernels_of(back).float(), adjoint, rtol=0, atol=2e-6)


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
@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("group", [group for group in GROUPS if group not in SMALL_GROUPS])
def test_equals_escnn_for_every_group_and_shape(group, shape):
    conv = escnns(group, shape, fields=(1, 2))
    x = maps(conv, batch=2)
    assert worst(outputs_and_gradients(ours(conv), x), outputs_and_gradients(conv, x)) < 1e-5


@pytest.mark.parametrize("shape", [(3, 1, 1), (5, 1, 2), (7, 3, 1)])
@pytest.mark.parametrize("group", ["C4", "C8", "D1", "D4", "D8"])
def test_equals_escnn_in_double_precision(group, shape):
    """With kernels free of rounding: escnn samples its own in single precision."""
    conv = escnns(group, shape).double()
    sparse = ours(conv)
    kernel_block(conv).sampled_basis = kernels_of(sparse.sparse[0].route)
    x = maps(conv).double()
    assert worst(outputs_and_gradients(sparse, x), outputs_and_gradients(conv, x)) < 1e-10


def test_double_precision_is_escnns_own_unless_forced():
    conv = escnns("D8", fields=(16, 16)).double()
    x = maps(conv).double()
    chosen = IrrepConv.adopt(copy.deepcopy(conv))
    found, expected = outputs_and_gradients(chosen, x), outputs_and_gradients(conv, x)
    assert worst(found, expected) < 1e-10


@pytest.mark.parametrize("memory", [1, 10_000, 40_000])
@pytest.mark.parametrize("shape", [(3, 1, 1), (3, 1, 2), (5, 3, 2)])
def test_tiles_do_not_show(shape, memory, monkeypatch):
    conv = ours(escnns("D2", shape))
    x = maps(conv, size=(7, 6), batch=5)
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


def test_layers_beyond_the_sparse_form_run_escnns_code():
    space = plane(parse_group("C4"))
    mixed = enn.FieldType(space, [space.regular_repr, space.trivial_repr])
    layers = [
        enn.R2Conv(mixed, regular("C4", 2), 3),
        escnns("C4", fields=(4, 2), groups=2),
        escnns("C4", dilation=2),
    ]
    for conv in layers:
        sparse = ours(conv)
        x = maps(conv)
        assert sparse.sparse is None
        assert torch.equal(convolve(sparse, x), convolve(conv, x))


def test_kernels_without_structure_are_refused():
    regular_field = plane(parse_group("C4")).regular_repr
    with pytest.raises(NotSparse):
        routes(torch.randn(24, 4, 4, 9), regular_field, regular_field)


@pytest.mark.parametrize("method", ["sparse", "dense"])
def test_evaluation_and_export(method):
    conv = escnns("D4")
    mine = IrrepConv.adopt(copy.deepcopy(conv), method).eval()
    x = maps(conv)
    with torch.no_grad():
        expected = convolve(conv.eval(), x)
        for found in (convolve(mine, x), convolve(mine, x), mine.export()(x)):
            assert largest_difference(found, expected) < 1e-5


@pytest.mark.parametrize("method", ["sparse", "dense"])
def test_evaluation_follows_changed_weights(method):
    conv = IrrepConv.adopt(escnns("C4"), method).eval()
    x = maps(conv)
    with torch.no_grad():
        before = convolve(conv, x)
        conv.weights.mul_(2)
        conv.bias.mul_(2)
        assert largest_difference(convolve(conv, x), 2 * before) < 1e-5


@pytest.mark.parametrize("training", [True, False], ids=["training", "evaluation"])
def test_state_dicts_load_both_ways(training):
    with torch.no_grad():
        theirs, mine = escnns("D4").train(training), ours(escnns("D4")).train(training)
    for source, target in ((theirs, mine), (mine, theirs)):
        target = copy.deepcopy(target)
        for parameter in target.parameters():
            parameter.data.zero_()
        target.load_state_dict(source.state_dict())
        assert source.state_dict().keys() == target.state_dict().keys()
        x = maps(theirs)
        assert largest_difference(convolve(target, x), convolve(source, x)) < 1e-5


def test_constructor_takes_escnns_arguments():
    torch.manual_seed(0)
    conv = enn.R2Conv(regular("C4", 2), regular("C4", 3), 3, padding=1)
    torch.manual_seed(0)
    mine = IrrepConv(regular("C4", 2), regular("C4", 3), 3, padding=1, method="sparse")
    assert torch.equal(mine.weights, conv.weights)
    x = maps(conv)
    assert largest_difference(convolve(mine, x), convolve(conv, x)) < 1e-5
    with pytest.raises(InputError, match="allowed are auto, sparse, dense"):
        IrrepConv(regular("C4", 2), regular("C4", 3), 3, method="quick")


def test_the_cost_model_prefers_what_is_faster():
    wide = IrrepConv.adopt(steerable_conv(regular("D8", 48), regular("D8", 48), 3, 1, 1))
    narrow = IrrepConv.adopt(steerable_conv(regular("C2", 2), regular("C2", 2), 3, 1, 1))
    for gradients in (True, False):
        for dtype in (torch.float32, torch.bfloat16):
            assert wide.is_sparse((8, 768, 33, 33), dtype, "cpu", gradients)
            assert not narrow.is_sparse((8, 4, 33, 33), dtype, "cpu", gradients)
    assert not wide.is_sparse((8, 768, 33, 33), torch.float64, "cpu", True)


def networks(group, trunk=None):
    trunk = trunk or Trunk(fields=(2, 4, 4, 6), pool_after=(2, 3), stem_stride=1)
    network = GCNN(parse_group(group), trunk, 33, "pool", 10)
    initialise(network, torch.Generator().manual_seed(0))
    return network, use_irrep_convolutions(copy.deepcopy(network), "sparse")


def test_networks_train_alike():
    generator = torch.Generator().manual_seed(3)
    images = torch.rand(8, 3, 33, 33, generator=generator) * 255
    labels = torch.arange(8) % 10
    states = []
    for network in networks("D4"):
        optimiser = torch.optim.SGD(network.train().parameters(), lr=0.01)
        for _ in range(3):
            optimiser.zero_grad()
            cross_entropy(network(images), labels).backward()
            optimiser.step()
        states.append(torch.cat([p.detach().flatten() for p in network.parameters()]))
    assert largest_difference(*states) < 1e-4


def test_training_goes_on_after_inference():
    conv = ours(escnns("D4", fields=(8, 8)))
    x = maps(conv)
    irrep_product.scratch.buffers.clear()
    with torch.inference_mode():
        expected = convolve(conv.eval(), x)
    found, *_ = outputs_and_gradients(conv.train(), x)
    assert largest_difference(found, expected) < 1e-5


def test_networks_stay_invariant():
    _, network = networks("D8")
    network.eval()
    images = torch.rand(2, 3, 33, 33, generator=torch.Generator().manual_seed(3)) * 255
    with torch.no_grad():
        logits = network(images)
        for moved in (images.rot90(1, (2, 3)), images.flip(3)):
            assert (network(moved) - logits).abs().max() < 1e-4


def test_methods_of_a_network_are_told():
    network, _ = networks("D4", Trunk(fields=(2, 32, 2), pool_after=(), stem_stride=1))
    use_irrep_convolutions(network)
    methods = chosen_methods(network, 33, batch=8, gradients=True)
    assert list(methods) == ["blocks.0", "blocks.3", "blocks.6"]
    assert methods["blocks.0"] == "dense"
