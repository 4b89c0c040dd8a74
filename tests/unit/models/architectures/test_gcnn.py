"""The GCNN of S1: its parameters, and what turns and reflections change."""

import pytest

from equimorph.groups.names import parse_group
from equimorph.models.architectures.gcnn import GCNN
from equimorph.models.counting import count_parameters
from equimorph.models.trunk import Trunk
from tests.unit.networks import largest_change, prepared


def test_s1_network_has_the_parameters_that_the_formula_gives():
    network = GCNN(parse_group("C1"), Trunk(), 255, "flatten", 10)
    assert count_parameters(network) == 693_610


GROUPS_WITH_90_DEGREES = ["C4", "C8", "C16", "D4", "D8", "D16"]


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


def test_cyclic_groups_do_not_know_reflections(network_defaults):
    network, images = prepared("C4", network_defaults, trained=True)
    assert largest_change(network, images, images.flip(3)) > 1e-2


def test_the_published_head_is_not_invariant(network_defaults):
    network, images = prepared("C4", {**network_defaults, "head": "flatten"}, trained=True)
    assert largest_change(network, images, images.rot90(1, (2, 3))) > 1e-2
