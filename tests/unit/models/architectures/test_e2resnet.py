"""Steerable ResNets: what their groups allow, their sizes and their counts."""

from functools import cache

import pytest
import torch

from equimorph.errors import InputError
from equimorph.groups.names import parse_group
from equimorph.models.architectures.e2resnet import E2ResNet
from equimorph.models.checkpoint import learned_state, load_learned_state
from equimorph.models.counting import count_parameters
from equimorph.models.initialisation import initialise
from equimorph.models.matching import weights_per_pair
from equimorph.study.models import resolve
from tests.unit.networks import galaxies, largest_change, settled, train_a_little

SIZE = 65
SHORT = (1, 1, 1, 1)


def network(group, blocks=SHORT, bottleneck=False, base_width=2, size=SIZE):
    built = E2ResNet(parse_group(group), blocks, bottleneck, base_width, size, 10)
    initialise(built, torch.Generator().manual_seed(3))
    return built


@cache
def prepared(group, bottleneck, trained):
    images = galaxies(SIZE)
    built = network(group, (1, 2, 1, 1) if bottleneck else SHORT, bottleneck)
    if trained:
        train_a_little(built, images)
    return settled(built, images), images


@pytest.mark.parametrize("trained", [False, True], ids=["random", "trained"])
@pytest.mark.parametrize("bottleneck", [False, True], ids=["basic", "bottleneck"])
@pytest.mark.parametrize("group", ["C4", "C8", "D4"])
def test_rotations_by_90_degrees_change_nothing(group, bottleneck, trained):
    built, images = prepared(group, bottleneck, trained)
    for turns in (1, 2, 3):
        assert largest_change(built, images, images.rot90(turns, (2, 3))) <= 1e-4


@pytest.mark.parametrize("trained", [False, True], ids=["random", "trained"])
@pytest.mark.parametrize("bottleneck", [False, True], ids=["basic", "bottleneck"])
def test_reflections_change_nothing_for_dihedral_groups_alone(bottleneck, trained):
    for group, held in (("D4", {2, 3}), ("D1", {3}), ("C4", set())):
        built, images = prepared(group, bottleneck, trained)
        for axis in (2, 3):
            change = largest_change(built, images, images.flip(axis))
            assert change <= 1e-4 if axis in held else change > 1e-2


def test_without_a_group_every_move_changes_the_logits():
    built, images = prepared("C1", bottleneck=False, trained=True)
    assert largest_change(built, images, images.rot90(1, (2, 3))) > 1e-2
    assert largest_change(built, images, images.flip(3)) > 1e-2


@pytest.mark.parametrize("size", [33, 129, 255])
def test_exact_at_other_sizes_that_are_allowed(size):
    images = galaxies(size, count=4)
    built = settled(network("D4", size=size), images)
    assert largest_change(built, images, images.rot90(1, (2, 3))) <= 1e-4


@pytest.mark.parametrize("size", [17, 64, 67, 256])
def test_sizes_that_would_halve_an_even_map_are_refused(size):
    with pytest.raises(InputError, match=f"input size {size}: .* nearest sizes that work are"):
        network("C1", size=size)


def by_hand(group, blocks, bottleneck, base_width):
    """Count the parameters: weights per pair of fields in each convolution, two per norm."""
    group = parse_group(group)
    one, three = (weights_per_pair(group, size, trivial_input=False) for size in (1, 3))
    assert (one, three) == (group.order, 6 * group.order)
    total = 3 * base_width * weights_per_pair(group, 7, trivial_input=True) + 2 * base_width
    source = base_width
    for stage, count in enumerate(blocks):
        inner = base_width * 2**stage
        target = inner * (2 if bottleneck else 1)
        for block in range(count):
            if bottleneck:
                total += (source + target) * inner * one + inner**2 * three
                total += 2 * (2 * inner + target)
            else:
                total += (source + inner) * inner * three + 4 * inner
            if source != target or (stage > 0 and block == 0):
                total += source * target * one + 2 * target
            source = target
    return total + source * 10 + 10


@pytest.mark.parametrize("bottleneck", [False, True], ids=["basic", "bottleneck"])
@pytest.mark.parametrize("group", ["C1", "D2", "C8"])
def test_parameters_follow_from_the_widths(group, bottleneck):
    built = network(group, (1, 2, 1, 2), bottleneck, base_width=3)
    assert count_parameters(built) == by_hand(group, (1, 2, 1, 2), bottleneck, 3)


@pytest.mark.parametrize(
    ("group", "blocks", "bottleneck", "base_width", "parameters"),
    [
        ("C1", (2, 2, 2, 2), False, 80, 11_734_730),
        ("D1", (2, 2, 2, 2), False, 54, 10_687_906),
        ("C4", (2, 2, 2, 2), False, 54, 21_360_466),
        ("D4", (2, 2, 2, 2), False, 54, 42_705_586),
        ("C4", (1, 1, 1, 1), False, 5, 82_130),
    ],
)
def test_parameters_of_s1s_networks(group, blocks, bottleneck, base_width, parameters):
    assert by_hand(group, blocks, bottleneck, base_width) == parameters


@pytest.mark.parametrize(
    ("name", "millions"),
    [
        ("E2ResNet50-C4", 51.7),
        ("E2ResNet50-C2-short", 14.7),
        ("E2ResNet50-D4-short", 58.9),
        ("E2ResNet50-C4-short", 29.4),
    ],
)
def test_published_counts_of_the_resnet50s(name, millions, network_defaults):
    entry = resolve(name, {}, network_defaults)
    counted = by_hand(entry["group"], entry["blocks"], entry["bottleneck"], entry["base_width"])
    assert round(counted / 1e6, 1) == millions


def test_s1s_small_network_has_the_parameters_that_the_formula_gives():
    built = E2ResNet(parse_group("C4"), SHORT, False, 5, 255, 10)
    assert count_parameters(built) == 82_130


@pytest.mark.parametrize(("group", "base_width"), [("D1", 57), ("C4", 40), ("D4", 28), ("C8", 28)])
def test_dividing_the_width_by_the_root_of_the_order_keeps_the_parameters(group, base_width):
    plain = by_hand("C1", (2, 2, 2, 2), False, 80)
    assert by_hand(group, (2, 2, 2, 2), False, base_width) == pytest.approx(plain, rel=0.05)


def test_learned_state_is_all_there_is():
    built, images = prepared("D4", bottleneck=True, trained=True)
    other = network("D4", (1, 2, 1, 1), bottleneck=True)
    load_learned_state(other, learned_state(built))
    with torch.no_grad():
        assert torch.equal(other.eval()(images), built(images))
