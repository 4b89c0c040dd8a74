"""The sparse steerable convolution computes the function of escnn's, and its gradients."""

import copy
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import torch
from torch.nn.functional import cross_entropy
from torch.utils.checkpoint import checkpoint

from equimorph.groups.escnn import enn, gspaces
from equimorph.groups.names import parse_group
from equimorph.models.architectures.gcnn import GCNN
from equimorph.models.initialisation import initialise
from equimorph.models.trunk import Trunk
from equimorph.steerable import irrep_product
from equimorph.steerable.context import scratch
from equimorph.steerable.convolution import SteerableConv, plane
from equimorph.steerable.irrep_basis import NotSparse, SparseForm, sparse_forms
from equimorph.steerable.irrep_conv import IrrepConv, chosen_methods, use_irrep_convolutions

GROUPS = ["C1", "C2", "C4", "C8", "C16", "D1", "D2", "D4", "D8", "D16"]
SMALL_GROUPS = ["C1", "C4", "D1", "D4"]
# kernel size, padding, stride
SHAPES = [(3, 1, 1), (3, 0, 2), (3, 2, 2), (5, 2, 1), (5, 1, 2), (7, 3, 2), (7, 5, 1), (4, 1, 1)]
# Stride 1 with 3 x 3 pixels: test_equals_escnn_in_single_precision.
FEWER_SHAPES = [(3, 2, 2), (5, 2, 1), (5, 1, 2), (7, 3, 2), (7, 5, 1)]


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


@pytest.mark.parametrize(
    ("group", "features", "mixing"),
    [("C2", 12, 12), ("C8", 48, 84), ("C16", 96, 180), ("D8", 96, 168), ("D16", 192, 360)],
)
def test_features_and_multiply_adds_of_3x3_kernels(group, features, mixing):
    """Six features per channel; D groups need half of what their irreps' sizes squared give."""
    for sparse in ours(escnns(group, fields=(1, 1))).sparse:
        assert sparse.form.features == features
        assert sparse.form.mixing_macs == mixing


@pytest.mark.parametrize("kernel_size", [3, 4, 5, 7])
@pytest.mark.parametrize("group", ["C1", "C8", "D1", "D8"])
def test_sparse_forms_say_the_kernels_of_escnn(group, kernel_size):
    conv = escnns(group, (kernel_size, 0, 1), fields=(1, 1))
    kernels = kernel_block(conv).sampled_basis
    form, adjoint_form = (sparse.form for sparse in ours(conv).sparse)
    torch.testing.assert_close(kernels_of(form).float(), kernels, rtol=0, atol=2e-6)
    adjoint = kernels.transpose(1, 2).flip(3)
    torch.testing.assert_close(kernels_of(adjoint_form).float(), adjoint, rtol=0, atol=2e-6)


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


def test_double_precision_is_escnns_own_unless_forced():
    conv = escnns("D8", fields=(16, 16)).double()
    x = maps(conv).double()
    chosen = IrrepConv.adopt(copy.deepcopy(conv))
    found, expected = outputs_and_gradients(chosen, x), outputs_and_gradients(conv, x)
    assert worst(found, expected) < 1e-10


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


def test_fields_of_other_kinds():
    """Irreps and quotients have a sparse form; slanted bases and tilted mirrors have none."""
    space, tilted = gspaces.flipRot2dOnR2(4), gspaces.flipRot2dOnR2(4, axis=0.3)
    third = gspaces.rot2dOnR2(3)
    slanted = type(space.regular_repr)(
        space.fibergroup,
        "slanted",
        [(0, 0), (1, 1)],
        np.array([[2, 1, 0], [0, 1, 0], [0, 0.5, 1]]),
        supported_nonlinearities=[],
    )
    for place, kind, is_sparse in (
        (third, third.regular_repr, True),
        (space, space.irrep(1, 1), True),
        (space, space.quotient_repr((None, 2)), True),
        (space, slanted, False),
        (tilted, tilted.regular_repr, False),
    ):
        conv = enn.R2Conv(enn.FieldType(place, [kind]), enn.FieldType(place, 2 * [kind]), 3).train()
        mine = ours(conv)
        assert (mine.sparse is not None) == is_sparse
        x = maps(conv)
        assert worst(outputs_and_gradients(mine, x), outputs_and_gradients(conv, x)) < 1e-5


def test_kernels_without_structure_are_refused():
    regular_field = plane(parse_group("C4")).regular_repr
    with pytest.raises(NotSparse):
        sparse_forms(torch.randn(24, 4, 4, 9), regular_field, regular_field)


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


@pytest.mark.parametrize("method", ["sparse", "dense"])
def test_weights_learn_in_evaluation_mode_too(method):
    """As where the running statistics of a network are frozen."""
    conv = IrrepConv.adopt(escnns("C4"), method)
    x = maps(conv)
    expected = outputs_and_gradients(conv, x)
    with torch.no_grad():
        convolve(conv.eval(), x)  # what is kept from here must not serve below
    for _ in range(2):
        conv.zero_grad()
        assert worst(outputs_and_gradients(conv, x), expected) < 1e-5


@pytest.mark.parametrize("method", ["sparse", "dense"])
def test_kept_matrices_serve_one_precision_and_one_layer(method):
    conv = IrrepConv.adopt(escnns("C4"), method).eval()
    x = maps(conv)
    with torch.inference_mode():
        expected = convolve(conv, x)
        kept = dict(conv._kept)
        assert torch.equal(convolve(conv, x), expected)
        assert all(conv._kept[name] is entry for name, entry in kept.items())
        with torch.autocast("cpu", dtype=torch.bfloat16):
            rounded = convolve(conv, x)
        assert rounded.dtype == torch.bfloat16
        assert largest_difference(rounded.float(), expected) < 0.02
        assert torch.equal(convolve(conv, x), expected)
        clone = copy.deepcopy(conv)
        for parameter in clone.parameters():
            parameter.mul_(2)
        assert largest_difference(convolve(clone, x), 2 * expected) < 1e-5
        assert torch.equal(convolve(conv, x), expected)


@pytest.mark.parametrize("method", ["sparse", "dense"])
def test_parameters_at_an_address_used_before(method):
    """New values in freed memory look like the old ones."""
    conv = IrrepConv.adopt(escnns("C4", fields=(8, 8), bias=False), method).eval()
    x = maps(conv)
    with torch.no_grad():
        for _ in range(10):
            before = convolve(conv, x)
            for _ in range(2):
                conv.weights.data = conv.weights.data * 2
            assert largest_difference(convolve(conv, x), 4 * before) < 1e-5
            conv.weights.data = conv.weights.data / 4


@pytest.mark.parametrize("method", ["sparse", "dense"])
def test_layers_made_in_inference_mode(method):
    conv = escnns("C4")
    x = maps(conv)
    with torch.inference_mode():
        expected = convolve(conv, x)
        mine = IrrepConv.adopt(escnns("C4"), method).eval()
        assert largest_difference(convolve(mine, x), expected) < 1e-5


def test_transforms_of_torch_func_run_escnns_code():
    conv = SteerableConv(regular("C4", 2), regular("C4", 3), 3, 1, 1)
    torch.nn.init.normal_(conv.weights, generator=torch.Generator().manual_seed(0))
    conv.method = "sparse"
    x = maps(conv)

    def loss(weights):
        field = enn.GeometricTensor(x, conv.in_type)
        return (
            torch.func.functional_call(conv, {"weights": weights}, (field,)).tensor.square().sum()
        )

    for mode in (True, False):
        conv.train(mode)
        weights = conv.weights.detach().clone().requires_grad_()
        (expected,) = torch.autograd.grad(loss(weights), weights)
        found = torch.func.grad(loss)(weights.detach())
        assert largest_difference(found, expected) < 1e-5
        with torch.no_grad():
            several = torch.vmap(loss)(torch.stack([weights, 2 * weights]))
            assert (
                largest_difference(several, torch.stack([loss(weights), loss(2 * weights)])) < 1e-5
            )


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
    with pytest.raises(ValueError, match="allowed are auto, sparse, dense"):
        IrrepConv(regular("C4", 2), regular("C4", 3), 3, method="quick")


def test_subclasses_keep_their_class():
    class Doubled(enn.R2Conv):
        def forward(self, input):
            output = super().forward(input)
            return enn.GeometricTensor(2 * output.tensor, output.type)

    types = regular("C4", 2), regular("C4", 2)
    ours_already = SteerableConv(*types, 3, 1, 1)
    network = torch.nn.ModuleList([enn.R2Conv(*types, 3), Doubled(*types, 3), ours_already])
    use_irrep_convolutions(network, "dense")
    assert [type(layer) for layer in network] == [IrrepConv, Doubled, SteerableConv]
    assert ours_already.method == "dense"


def test_copies_share_their_sparse_form():
    conv = SteerableConv(regular("C4", 2), regular("C4", 2), 3, 1, 1)
    assert IrrepConv.adopt(copy.deepcopy(conv)).sparse is conv.sparse
    assert ours(escnns("C4")).sparse is ours(escnns("C4", fields=(1, 4))).sparse


def test_the_cost_model_prefers_what_is_faster():
    wide = IrrepConv.adopt(SteerableConv(regular("D8", 48), regular("D8", 48), 3, 1, 1))
    narrow = IrrepConv.adopt(SteerableConv(regular("C2", 2), regular("C2", 2), 3, 1, 1))
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
    scratch.buffers.clear()
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
    methods = chosen_methods(network, (torch.zeros(1, 3, 33, 33),), batch=8, gradients=True)
    assert list(methods) == ["blocks.0", "blocks.3", "blocks.6"]
    assert methods["blocks.0"] == "dense"
