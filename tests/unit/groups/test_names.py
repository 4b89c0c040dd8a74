"""Groups by name, and escnn without SO(3)."""

import numpy as np
import pytest

from equimorph.errors import InputError
from equimorph.groups.escnn import gspaces
from equimorph.groups.names import is_group_name, parse_group


@pytest.mark.parametrize(
    ("name", "rotations", "reflections", "order"),
    [("C1", 1, False, 1), ("C16", 16, False, 16), ("D1", 1, True, 2), ("D16", 16, True, 32)],
)
def test_parse_group(name, rotations, reflections, order):
    group = parse_group(name)
    assert (group.rotations, group.reflections, group.order) == (rotations, reflections, order)
    assert group.name == name


@pytest.mark.parametrize("name", ["D3", "C0", "E4", "c4", "C128", "4", "", "C04"])
def test_unknown_groups_get_the_list_of_known_ones(name):
    with pytest.raises(InputError, match="allowed are C1, C2, C4"):
        parse_group(name)


def test_a_groups_name_has_a_form():
    assert is_group_name("D3")
    assert not is_group_name("CNN")


def test_so3_is_refused_with_a_reason():
    import escnn.group

    so3 = escnn.group.so3_group(1)
    with pytest.raises(NotImplementedError, match=r"SO\(3\) is not available"):
        so3.irrep(1)(so3.element(np.eye(3), "MAT"))


def test_planar_groups_are_unaffected():
    space = gspaces.flipRot2dOnR2(4)
    assert space.regular_repr.size == 8
