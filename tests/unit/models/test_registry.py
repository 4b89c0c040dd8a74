"""Widths, counts, initialisation, checkpoints: what a network is before it is trained."""

import json
import zlib

import numpy as np
import pytest
import torch
from safetensors.torch import save, save_file

from equimorph.errors import InputError
from equimorph.groups.escnn import enn
from equimorph.groups.names import parse_group, symmetry
from equimorph.models.architectures.gcnn import GCNN
from equimorph.models.checkpoint import (
    FORMAT,
    learned_state,
    load_learned_state,
    pack,
    save_checkpoint,
    unpack,
)
from equimorph.models.counting import count_macs, count_parameters
from equimorph.models.head import circular_mask, escnn_mask
from equimorph.models.initialisation import initialise
from equimorph.models.matching import gcnn_trunk
from equimorph.models.registry import build
from equimorph.models.trained import load_checkpoint
from equimorph.models.trunk import (
    Trunk,
    base_trunk,
    exact_sizes,
    head_parameters,
    plain_sizes,
    stem_padding,
    trunk_macs,
    trunk_parameters,
)
from equimorph.steerable.convolution import SteerableConv, he_standard_deviations, plane
from equimorph.study.models import resolve
from tests.unit.networks import checkpoint_metadata


def images(size, count=4, seed=0):
    return torch.rand(count, 3, size, size, generator=torch.Generator().manual_seed(seed)) * 255


def initialised(specification, classes=10, seed=0):
    network = build(specification, classes)
    initialise(network, torch.Generator().manual_seed(seed))
    return network


def test_sizes_of_s1():
    sizes = exact_sizes(Trunk(), 255)
    assert sizes.stem_padding == 2
    assert sizes.convolved == (129, 129, 65, 65, 33, 33, 33, 17, 17, 9, 9)
    assert sizes.final == 5


@pytest.mark.parametrize("size", [64, 100, 256])
def test_inexact_sizes_are_refused_with_the_nearest_that_work(size):
    with pytest.raises(InputError, match="the nearest sizes that work are") as error:
        exact_sizes(Trunk(), size)
    nearest = eval(str(error.value).rsplit("are ", 1)[1].rstrip("."))
    assert all(exact_sizes(Trunk(), near) for near in nearest)


def test_padding_of_a_stem():
    assert stem_padding(255, 3, stride=2, halvings=5) == exact_sizes(Trunk(), 255).stem_padding
    assert stem_padding(65, 5, stride=1, halvings=3) == 2
    with pytest.raises(InputError, match="input size 64"):
        stem_padding(64, 7, stride=2, halvings=4)


@pytest.mark.parametrize(
    ("group", "published"), [("C1", 693_610), ("C4", 1_839_274), ("D4", 3_366_826)]
)
def test_parameters_of_s1(group, published):
    """216 + 381,888 |G| weights in the convolutions, 1,640 in batch norm, 309,866 in the head."""
    trunk, order = Trunk(), parse_group(group).order
    counted = trunk_parameters(trunk, 6, 6 * order) + head_parameters(192 * 25, 10)
    assert counted == published


def test_s1_network_has_the_parameters_that_the_formula_gives():
    network = GCNN(parse_group("C1"), Trunk(), 255, "flatten", 10)
    assert count_parameters(network) == 693_610


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


@pytest.mark.parametrize("quantity", ["macs", "parameters"])
@pytest.mark.parametrize("group", ["C4", "D4", "C16"])
def test_match_brings_a_gcnn_to_the_cnns_cost(quantity, group, network_defaults):
    defaults = {
        **network_defaults,
        "fields": [12, 24, 48, 48, 48, 48, 96, 96, 96, 112, 192],
        "width": 2.0,
        "match": quantity,
    }
    plain = build(resolve("CNN", {}, defaults), 10)
    steerable = build(resolve(group, {}, defaults), 10)
    cost = {"macs": lambda n: count_macs(n, 65), "parameters": count_parameters}[quantity]
    assert cost(steerable) == pytest.approx(cost(plain), rel=0.1)


def test_match_fields_leaves_the_widths_alone(network_defaults):
    specification = resolve("D4", {}, network_defaults)
    assert gcnn_trunk(specification, 10).fields == tuple(network_defaults["fields"])


def test_unknown_models_and_architectures_are_named(network_defaults):
    with pytest.raises(InputError, match="model 'foo': allowed are a group's name"):
        resolve("foo", {}, network_defaults)
    with pytest.raises(InputError, match="allowed are gcnn, cnn"):
        resolve("X", {"X": {"architecture": "mlp"}}, network_defaults)


def test_mask_is_a_symmetric_disc():
    mask = circular_mask(65)
    assert torch.equal(mask, mask.rot90(1)) and torch.equal(mask, mask.flip(0))
    assert mask[32, 32] == 1 and mask[0, 0] == 0 and mask[32, 2] == 1
    assert mask.sum().item() == pytest.approx(torch.pi * (32.5 * 0.98) ** 2, rel=0.01)


@pytest.mark.parametrize("size", [64, 255])
def test_the_hard_mask_is_escnns(size):
    space = plane(parse_group("C4"))
    colours = enn.FieldType(space, 3 * [space.trivial_repr])
    torch.testing.assert_close(escnn_mask(size), enn.MaskModule(colours, size, margin=1).mask[0, 0])


def test_masks_of_a_network(network_defaults):
    inside = {}
    for mask in ("soft", "hard", "none"):
        network = build(
            resolve("CNN", {}, {**network_defaults, "input_size": 255, "mask": mask}), 2
        )
        seen = network.mask(network.normalise(torch.full((1, 3, 255, 255), 77.3)))
        assert seen.max().item() == pytest.approx(1)
        inside[mask] = (seen[0, 0] > 0.5).sum().item()
    assert inside["hard"] == 49_677
    assert inside["soft"] == pytest.approx(torch.pi * (127.5 - 2.55) ** 2, rel=1e-3)
    assert inside["none"] == 255**2


@pytest.mark.parametrize("name", ["C4", "D4", "C8"])
@pytest.mark.parametrize("trivial_input", [True, False])
def test_fast_initialisation_has_escnns_variances(name, trivial_input):
    from escnn.nn.init import _generalized_he_init_variances

    space = plane(parse_group(name))
    source = 3 * [space.trivial_repr] if trivial_input else 2 * [space.regular_repr]
    mixed = [space.regular_repr, space.regular_repr, space.trivial_repr]
    conv = SteerableConv(enn.FieldType(space, source), enn.FieldType(space, mixed), 3, 1, 1)
    theirs = _generalized_he_init_variances(conv.basisexpansion)
    torch.testing.assert_close(he_standard_deviations(conv), theirs)


def test_initialisation_follows_its_generator(network_defaults):
    specification = resolve("C4", {}, network_defaults)
    one, again, other = (learned_state(initialised(specification, seed=s)) for s in (1, 1, 2))
    assert all(torch.equal(one[name], again[name]) for name in one)
    assert not torch.equal(one["classifier.0.weight"], other["classifier.0.weight"])
    assert not torch.equal(one["blocks.0.weights"], other["blocks.0.weights"])


@pytest.mark.parametrize("name", ["CNN", "D4"])
def test_checkpoint_round_trip(name, network_defaults, tmp_path):
    specification = resolve(name, {}, network_defaults)
    network = initialised(specification)
    network.train()
    network(images(65))  # moves the running statistics
    state = learned_state(network)
    metadata = checkpoint_metadata(specification, "abcdefghij", model=name)
    save_checkpoint(tmp_path / "model.safetensors", state, metadata)
    loaded = load_checkpoint(tmp_path / "model.safetensors")
    (prepared,) = loaded.prepare(np.zeros((2, 70, 70, 3), np.uint8))
    assert prepared.shape == (2, 3, 65, 65)
    assert loaded.classes == list("abcdefghij")
    with torch.no_grad():
        assert torch.equal(loaded.network(images(65)), network.eval()(images(65)))
        loaded.network.train()
        network.train()
        assert torch.equal(loaded.network(images(65)), network(images(65)))


@pytest.mark.parametrize("length", [0, 3, 4, 1021])
def test_whatever_is_packed_is_unpacked(length):
    content = np.random.default_rng(length).bytes(length)
    assert unpack(pack(content)) == content


def test_weights_are_packed_by_a_sixth():
    weights = save({"w": torch.randn(99_999, generator=torch.Generator().manual_seed(0)) / 30})
    assert len(pack(weights)) < 0.86 * len(weights) < 0.95 * len(zlib.compress(weights, 9))


def test_foreign_and_damaged_checkpoints_are_refused(tmp_path, network_defaults):
    (tmp_path / "cut.safetensors").write_bytes(b"\x10\x00")
    with pytest.raises(InputError, match="cut.safetensors: not a readable safetensors file"):
        load_checkpoint(tmp_path / "cut.safetensors")
    with pytest.raises(InputError, match="missing.safetensors: not a readable"):
        load_checkpoint(tmp_path / "missing.safetensors")
    save_file({"w": torch.zeros(1)}, tmp_path / "other.safetensors")
    with pytest.raises(InputError, match="not a model of equimorph"):
        load_checkpoint(tmp_path / "other.safetensors")
    packed = {
        "cut short": pack(save({"w": torch.ones(9)}))[:-5],
        "incorrect header check": b"no such thing",
        "packed more than weights can be": zlib.compress(bytes(10**6)),
        "header": pack(b"no weights"),
    }
    for number, (words, content) in enumerate(packed.items()):
        path = tmp_path / f"damaged-{number}.safetensors"
        tensor = torch.frombuffer(bytearray(content), dtype=torch.uint8)
        save_file({"packed": tensor}, path, {FORMAT: json.dumps({})})
        with pytest.raises(InputError, match=f"its weights are damaged .*{words}"):
            load_checkpoint(path)
    network = build(resolve("C2", {}, network_defaults), 10)
    state = learned_state(network)
    with pytest.raises(InputError, match="do not fit the network"):
        load_learned_state(network, {"w": torch.zeros(1)})
    with pytest.raises(InputError, match="has shape"):
        load_learned_state(network, {name: torch.zeros(1) for name in state})
