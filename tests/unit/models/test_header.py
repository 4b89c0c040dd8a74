"""A checkpoint's header is checked before anything is built: one sentence, nothing oversized."""

import copy
import json
import math
import random

import pytest
import torch

from equimorph.errors import InputError
from equimorph.models.checkpoint import learned_state, save_checkpoint
from equimorph.models.initialisation import initialise
from equimorph.models.registry import build
from equimorph.models.trained import load_checkpoint
from equimorph.study.models import resolve
from tests.unit.networks import checkpoint_metadata


@pytest.fixture
def file(tmp_path, network_defaults):
    """A checkpoint's path, its learned state and its metadata."""
    specification = resolve("C4", {}, network_defaults)
    network = build(specification, 2)
    initialise(network, torch.Generator().manual_seed(0))
    return (
        tmp_path / "model.safetensors",
        learned_state(network),
        checkpoint_metadata(specification, ["round", "long"]),
    )


HUGE = 64 * [4096]
DAMAGED = [
    (("specification",), None, "specification: None is not allowed; it must be keys with values"),
    (("specification", "architecture"), "mlp", "'mlp' is not allowed; it must be the name of an a"),
    (("specification", "architecture"), "../cnn", "it must be the name of an architecture"),
    (("specification", "architecture"), ["cnn"], "it must be the name of an architecture"),
    (("specification", "group"), "C3", "group 'C3': allowed are C1, C2, C4"),
    (("specification", "group"), 4, "does not describe a network"),
    (
        ("specification", "fields"),
        HUGE,
        "describes a network of at least .* weights .* the file ha",
    ),
    (("specification", "fields"), 65 * [1], "specification.fields: .* a shorter list"),
    (("specification", "fields"), [], "pool_after .*: allowed are the blocks 1 to 0"),
    (("specification", "width"), 1e5, "describes a network of at least"),
    (("specification", "width"), math.nan, "specification.width: nan is not allowed"),
    (("specification", "input_size"), 10**5, "specification.input_size: 100000 .* 1 to 2048"),
    (("specification", "input_size"), "65", "specification.input_size: '65' is not allowed"),
    (("specification", "crop"), 0.5, "preparation.crop: 1.0 .* that of the specification .0.5."),
    (
        ("specification", "kernel_size"),
        64,
        "kernel_size: 64 is not allowed; it must be one of 3, 5",
    ),
    (("specification", "mask"), "square", "no network can be built from it|mask"),
    (("classes",), [], "classes: .* a list of 1 to 256 different names"),
    (("classes",), ["a", "a"], "classes: .* a list of 1 to 256 different names"),
    (("classes",), 10**9, "classes: 1000000000 is not allowed"),
    (("classes",), ["a", "b", "c"], "the weights do not fit the network"),
    (("preparation",), {}, "preparation: {} is not allowed; it must be the keys side, pixel_scale"),
    (("preparation", "side"), -1, "preparation.side: -1 .* a whole number from 1 to 65536"),
    (("preparation", "pixel_scale"), 0, "preparation.pixel_scale: 0 .* null or a number above 0"),
    (("preparation", "stars_removed"), -3, "preparation.stars_removed: -3 .* null or a seed"),
    (("preparation", "antialias"), 0, "preparation.antialias: 0 .* true or false"),
    (("preparation", "antialias"), False, "preparation.antialias: False .* specification .True"),
    (("preparation", "star_filter"), "all", "star_filter: 'all' .* one of seeing, brightest"),
    (("specification", "antialias"), False, "preparation.antialias: True .* specification .False"),
    (("specification", "normalise"), "max", "network.normalise 'max': allowed are auto, symm"),
]


@pytest.mark.parametrize(("key", "value", "message"), DAMAGED, ids=range(len(DAMAGED)))
def test_a_damaged_header_is_one_sentence(file, key, value, message):
    path, state, metadata = file
    place = metadata
    for parent in key[:-1]:
        place = place[parent]
    place[key[-1]] = value
    save_checkpoint(path, state, metadata)
    with pytest.raises(InputError, match=message) as error:
        load_checkpoint(path)
    assert str(error.value).startswith(f"{path}: ") and "\n" not in str(error.value)


@pytest.mark.parametrize("key", ["layers", "dim", "mlp", "heads", "patch"])
def test_a_list_where_a_number_belongs(tmp_path, network_defaults, key):
    tokens = {"architecture": "vit", "patch": 13, "dim": 8, "heads": 2, "mlp": 8, "layers": 1}
    specification = resolve("T", {"T": tokens}, network_defaults)
    state = learned_state(build(specification, 2))
    wrong = {**specification, key: [1]}
    save_checkpoint(tmp_path / "x", state, checkpoint_metadata(wrong, ["round", "long"]))
    with pytest.raises(InputError, match="x: its header is damaged: "):
        load_checkpoint(tmp_path / "x")


@pytest.mark.parametrize("metadata", [None, [], "x", 3])
def test_a_header_holds_keys(file, metadata):
    path, state, _ = file
    save_checkpoint(path, state, metadata)
    with pytest.raises(InputError, match="the header: .* it must be keys with values"):
        load_checkpoint(path)


VALUES = [None, True, 0, -1, 2, 3, 64, 10**9, 0.5, math.inf, "", "C4", "x", [], [1], HUGE, {}, [[]]]


def test_60_random_headers(file):
    path, state, metadata = file
    draw, refused = random.Random(6), 0
    for _ in range(60):
        spoilt = copy.deepcopy(metadata)
        place = draw.choice([spoilt, *2 * [spoilt["preparation"]], *4 * [spoilt["specification"]]])
        key = draw.choice(sorted(place))
        if draw.random() < 0.2:
            del place[key]
        else:
            place[key] = draw.choice(VALUES)
        save_checkpoint(path, state, json.loads(json.dumps(spoilt)))
        try:
            load_checkpoint(path)
        except InputError as error:
            refused += 1
            assert str(error).startswith(f"{path}: ")
    assert refused > 40
