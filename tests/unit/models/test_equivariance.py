"""The logits of every group stay under the elements that the pixel grid allows."""

import pytest
import torch

from equimorph.evaluation.equivariance import measure_equivariance
from equimorph.groups.names import parse_group, symmetry
from equimorph.models.initialisation import initialise
from equimorph.models.registry import build
from equimorph.study.models import resolve
from equimorph.study.yaml_files import merged, read_yaml
from tests.conftest import ROOT
from tests.unit.networks import galaxies, largest_change, settled, train_a_little

GROUPS_WITH_90_DEGREES = ["C4", "C8", "C16", "D4", "D8", "D16"]


def prepared(name, defaults, trained):
    network = build(resolve(name, {}, defaults), 10)
    initialise(network, torch.Generator().manual_seed(3))
    images = galaxies(defaults["input_size"])
    if trained:
        train_a_little(network, images)
    return settled(network, images, least=0.05), images


@pytest.mark.parametrize("trained", [False, True], ids=["random", "trained"])
@pytest.mark.parametrize("name", GROUPS_WITH_90_DEGREES)
def test_rotations_by_90_degrees_change_nothing(name, trained, network_defaults):
    network, images = prepared(name, network_defaults, trained)
    for turns in (1, 2, 3):
        assert largest_change(network, images, images.rot90(turns, (2, 3))) <= 1e-4


@pytest.mark.parametrize("trained", [False, True], ids=["random", "trained"])
@pytest.mark.parametrize("name", ["D1", "D2", "D4", "D8", "D16"])
def test_reflections_change_nothing(name, trained, network_defaults):
    network, images = prepared(name, network_defaults, trained)
    axes = (2, 3) if name != "D1" else (3,)
    for axis in axes:
        assert largest_change(network, images, images.flip(axis)) <= 1e-4


@pytest.mark.parametrize("name", ["C2", "D2"])
def test_rotations_by_180_degrees_change_nothing(name, network_defaults):
    network, images = prepared(name, network_defaults, trained=True)
    assert largest_change(network, images, images.rot90(2, (2, 3))) <= 1e-4
    assert largest_change(network, images, images.rot90(1, (2, 3))) > 1e-2


@pytest.mark.parametrize("trained", [False, True], ids=["random", "trained"])
def test_the_plain_network_changes(trained, network_defaults):
    network, images = prepared("CNN", network_defaults, trained)
    assert largest_change(network, images, images.rot90(1, (2, 3))) > 1e-2
    assert largest_change(network, images, images.flip(3)) > 1e-2


def test_cyclic_groups_do_not_know_reflections(network_defaults):
    network, images = prepared("C4", network_defaults, trained=True)
    assert largest_change(network, images, images.flip(3)) > 1e-2


def test_the_published_head_is_not_invariant(network_defaults):
    network, images = prepared("C4", {**network_defaults, "head": "flatten"}, trained=True)
    assert largest_change(network, images, images.rot90(1, (2, 3))) > 1e-2


def preset_models(root):
    """Yield each model of a preset, or of the default study, whose group holds turns by 90 degrees.

    Its size is the preset's, its widths are small.
    """
    for preset in (None, "images", "galaxy10", "pandya2023", "cbfocal-ecnn", "deepcnn5"):
        config = read_yaml(root / "config.yaml")
        if preset:
            config = merged(config, read_yaml(root / f"workflow/presets/{preset}.yaml"))
        network = {**config["network"], "width": 0.1, "match": "fields", "features": 1}
        for name in config["train"]["models"]:
            specification = resolve(name, config["models"], network)
            group, order = symmetry(specification)
            if group and order and parse_group(group).rotations % 4 == 0:
                yield pytest.param(specification, id=f"{preset or 'demo'}-{name}")


@pytest.mark.parametrize("trained", [False, True], ids=["random", "trained"])
@pytest.mark.parametrize("specification", preset_models(ROOT))
def test_exact_at_the_size_of_each_preset(specification, trained):
    network = build(specification, 10)
    initialise(network, torch.Generator().manual_seed(3))
    images = galaxies(specification["input_size"], count=3)
    if trained:
        train_a_little(network, images)
    settled(network, images)
    found = measure_equivariance(network, images, torch.zeros(3), [90, 180, 270])
    assert max(found["error"]) <= 1e-4
    if parse_group(specification["group"]).reflections:
        assert found["reflected"]["error"] <= 1e-4
