"""The trunk that networks share: sizes of its maps, its parameters."""

import pytest

from equimorph.errors import InputError
from equimorph.groups.names import parse_group
from equimorph.models.trunk import (
    Trunk,
    exact_sizes,
    head_parameters,
    stem_padding,
    trunk_parameters,
)


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
