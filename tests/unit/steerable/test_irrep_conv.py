"""The layer that takes escnn's place: its modes, its weights, its copies, and networks of it."""

import copy

import pytest
import torch
from torch.nn.functional import cross_entropy

from equimorph.groups.escnn import enn
from equimorph.groups.names import parse_group
from equimorph.models.architectures.gcnn import GCNN
from equimorph.models.initialisation import initialise
from equimorph.models.trunk import Trunk
from equimorph.steerable.context import scratch
from equimorph.steerable.convolution import SteerableConv, plane
from equimorph.steerable.irrep_conv import IrrepConv, use_irrep_convolutions
from tests.unit.steerable.layers import (
    convolve,
    escnns,
    largest_difference,
    maps,
    ours,
    outputs_and_gradients,
    regular,
    worst,
)


def test_double_precision_is_escnns_own_unless_forced():
    conv = escnns("D8", fields=(16, 16)).double()
    x = maps(conv).double()
    chosen = IrrepConv.adopt(copy.deepcopy(conv))
    found, expected = outputs_and_gradients(chosen, x), outputs_and_gradients(conv, x)
    assert worst(found, expected) < 1e-10


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
