"""What networks cost: every kind of layer counted, and memory as by hand."""

import pytest
import torch
from torch import nn
from torch.nn.functional import scaled_dot_product_attention

from equimorph.groups.escnn import enn
from equimorph.groups.names import parse_group, symmetry
from equimorph.models.counting import count_macs, count_parameters, peak_activation_memory
from equimorph.models.export import export
from equimorph.models.initialisation import initialise
from equimorph.models.registry import build
from equimorph.models.trunk import (
    base_trunk,
    exact_sizes,
    head_parameters,
    plain_sizes,
    trunk_macs,
    trunk_parameters,
)
from equimorph.steerable.convolution import (
    SteerableConv,
    initialise_steerable,
    plane,
)
from equimorph.study.models import resolve

FLOAT = 4  # bytes


class On(nn.Module):
    """A layer between images (1, 3, S, S) and what it takes."""

    def __init__(self, layer, *shape):
        super().__init__()
        self.layer, self.shape = layer, shape

    def forward(self, images):
        """Give the layer as many numbers as it takes."""
        taken = images.flatten()[: torch.Size(self.shape).numel()].view(self.shape)
        return self.layer(taken)


class SelfAttention(nn.MultiheadAttention):
    """torch's own attention, of tokens to themselves."""

    def forward(self, tokens):
        """Attend."""
        return super().forward(tokens, tokens, tokens)[0]


class Products(nn.Module):
    """The products of attention alone, four heads of width 4."""

    def __init__(self):
        super().__init__()
        self.weight = nn.Parameter(torch.ones(1))

    def forward(self, tokens):
        """Attend."""
        heads = tokens.unflatten(-1, (4, 4)).transpose(1, 2) * self.weight
        return scaled_dot_product_attention(heads, heads, heads)


ATTENTION = 2 * 7 * 7 * 16  # of seven tokens of width 16: with the keys, then with the values
PROJECTIONS = 7 * 16 * (3 * 16 + 16)
LAYERS = {
    "linear": (On(nn.Linear(16, 5), 1, 16), 16 * 5),
    "linear on tokens": (On(nn.Linear(16, 5), 1, 7, 16), 7 * 16 * 5),
    "convolution": (nn.Conv2d(3, 8, 5, stride=2, padding=2), 25 * 3 * 8 * 5 * 5),
    "grouped": (nn.Conv2d(3, 6, 3, groups=3, padding=1), 9 * 6 * 9 * 9),
    "attention": (On(Products(), 1, 7, 16), ATTENTION),
    "multi-head attention": (
        On(SelfAttention(16, 4, batch_first=True), 1, 7, 16),
        ATTENTION + PROJECTIONS,
    ),
    "encoder layer": (
        On(nn.TransformerEncoderLayer(16, 4, 32, batch_first=True), 1, 7, 16),
        ATTENTION + PROJECTIONS + 2 * 7 * 16 * 32,
    ),
}


@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize("kind", LAYERS)
def test_multiply_adds_of_a_layer(kind, training):
    layer, expected = LAYERS[kind]
    layer.train(training)
    fast = torch.backends.mha.get_fastpath_enabled()
    assert count_macs(layer, 9) == expected
    assert all(module.training == training for module in layer.modules())
    assert torch.backends.mha.get_fastpath_enabled() == fast


class Steerable(nn.Module):
    """Two steerable convolutions."""

    def __init__(self, name, fields, stride):
        super().__init__()
        space = plane(parse_group(name))
        self.input_type = enn.FieldType(space, 3 * [space.trivial_repr])
        hidden_type = enn.FieldType(space, fields * [space.regular_repr])
        self.stem = SteerableConv(self.input_type, hidden_type, 3, stride, 1)
        self.inner = SteerableConv(hidden_type, hidden_type, 3, 1, 1)

    def forward(self, images):
        """Convolve twice."""
        return self.inner(self.stem(enn.GeometricTensor(images, self.input_type))).tensor


@pytest.mark.parametrize(("name", "order"), [("C4", 4), ("D4", 8), ("C16", 16)])
def test_a_steerable_convolution_counts_as_the_dense_one(name, order):
    network = Steerable(name, 2, stride=2)
    channels = 2 * order
    assert count_macs(network, 17) == 9 * (3 * channels + channels**2) * 9**2
    assert count_macs(network.eval(), 17) == 9 * (3 * channels + channels**2) * 9**2
    # 6 |G| weights between regular fields, 6 per channel of the images.
    assert count_parameters(network) == 6 * (3 * 2 + order * 2**2)


def test_blurred_pools_count_and_the_exported_network_counts_alike(network_defaults):
    defaults = {**network_defaults, "fields": [2, 3], "pool_after": [2], "input_size": 33}
    network = build(resolve("D4", {}, defaults), 10)
    initialise(network, torch.Generator().manual_seed(0))
    convolutions = 9 * (3 * 16 + 16 * 24) * 17**2
    blur = 25 * 24 * 9**2  # sigma 0.66 reaches two pixels
    head = 3 * 64 + 64 * 32 + 32 * 10
    assert count_macs(network, 33) == convolutions + blur + head
    assert count_macs(export(network), 33) == convolutions + blur + head


def test_frozen_weights_are_no_trainable_parameters():
    layer = nn.Linear(4, 3)
    layer.weight.requires_grad_(False)
    assert count_parameters(layer) == 3


class Chain(nn.Module):
    """3 channels, 8, ReLU in place or not, 2, mean."""

    def __init__(self, inplace=False):
        super().__init__()
        self.first = nn.Conv2d(3, 8, 3, padding=1, bias=False)
        self.relu = nn.ReLU(inplace)
        self.second = nn.Conv2d(8, 2, 3, padding=1, bias=False)

    def forward(self, images):
        """Map (B, 3, S, S) to (B, 2)."""
        return self.second(self.relu(self.first(images))).mean((2, 3))


def pixels(channels, size=10, batch=1):
    return channels * size**2 * batch * FLOAT


def test_memory_of_a_forward_pass():
    # The convolution's and the ReLU's maps exist together; the next one replaces the former.
    assert peak_activation_memory(Chain(), 10, training=False) == pixels(8 + 8)
    assert peak_activation_memory(Chain(inplace=True), 10, training=False) == pixels(8 + 2)
    assert peak_activation_memory(Chain(), 10, batch=5, training=False) == pixels(16, batch=5)


def test_memory_of_a_training_step():
    # While the gradient passes the ReLU: its output, and the gradients after and before it.
    found = peak_activation_memory(Chain(), 10, training=True)
    assert pixels(24) <= found <= pixels(24) + 100
    found = peak_activation_memory(Chain(), 10, batch=3, training=True)
    assert pixels(24, batch=3) <= found <= pixels(24, batch=3) + 300


def test_what_autograd_keeps_is_a_part_of_it(network_defaults):
    network = build(resolve("CNN", {}, {**network_defaults, "fields": [8, 16, 16]}), 10)
    initialise(network, torch.Generator().manual_seed(0))
    saved = {}

    def note(tensor):
        saved[tensor.untyped_storage().data_ptr()] = tensor.untyped_storage().nbytes()
        return tensor

    images = torch.zeros(4, 3, 65, 65, requires_grad=True)
    with torch.autograd.graph.saved_tensors_hooks(note, lambda tensor: tensor):
        logits = network.train()(images)
    kept = {tensor.data_ptr() for tensor in [images, *network.parameters(), *network.buffers()]}
    held = sum(size for address, size in saved.items() if address not in kept)
    assert logits.requires_grad and held > 0
    found = peak_activation_memory(network, 65, 4, training=True)
    assert held < found < 2 * held
    assert peak_activation_memory(network, 65, 4, training=False) < found / 2


def test_memory_grows_with_the_batch_but_for_the_filters():
    network = Steerable("D4", 4, stride=1)
    for conv in (network.stem, network.inner):
        initialise_steerable(conv, torch.Generator().manual_seed(0))
    two, four, six = (peak_activation_memory(network, 9, n, training=True) for n in (2, 4, 6))
    assert six - four == pytest.approx(four - two, rel=0.05)
    filters = 9 * (3 * 32 + 32 * 32) * FLOAT
    assert two - (four - two) >= filters


def test_measuring_leaves_no_trace(network_defaults):
    network = build(resolve("D4", {}, {**network_defaults, "fields": [2, 3], "pool_after": []}), 10)
    network.classifier.append(nn.Dropout(0.5))
    before = {name: value.clone() for name, value in network.state_dict().items()}
    state = torch.get_rng_state()
    for training in (True, False):
        peak_activation_memory(network, 65, 2, training=training)
        count_macs(network, 65)
    assert network.training
    assert torch.equal(torch.get_rng_state(), state)
    after = network.state_dict()
    assert before.keys() == after.keys()
    assert all(torch.equal(value, after[name]) for name, value in before.items())
    assert all(parameter.grad is None for parameter in network.parameters())


@pytest.mark.parametrize("name", ["CNN", "C4", "D2"])
def test_counts_agree_with_the_formulas(name, network_defaults):
    specification = resolve(name, {}, network_defaults)
    network = build(specification, 10)
    trunk = base_trunk(specification)
    head = 8 * 64 + 64 * 32 + 32 * 10
    if name == "CNN":
        convolved = trunk_parameters(trunk, 9, 9)
        assert count_macs(network, 65) == trunk_macs(trunk, plain_sizes(trunk, 65), 1) + head
    else:
        order = symmetry(specification)[1]
        convolved = trunk_parameters(trunk, 6, 6 * order)
        sizes = exact_sizes(trunk, 65).convolved
        # A pool blurs each channel with a 5 x 5 filter at the places that it keeps.
        blur = sum(
            25 * order * trunk.fields[block - 1] * ((sizes[block - 1] + 1) // 2) ** 2
            for block in trunk.pool_after
        )
        assert count_macs(network, 65) == trunk_macs(trunk, sizes, order) + blur + head
    assert count_parameters(network) == convolved + head_parameters(8, 10)
