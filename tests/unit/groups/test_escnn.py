"""escnn where its SO(3) packages are not installed."""

import sys

import pytest

from equimorph.groups.escnn import gspaces


def test_so3_is_refused_in_a_sentence():
    wigner = sys.modules["lie_learn.representations.SO3.wigner_d"]
    with pytest.raises(NotImplementedError, match="planar groups C_n, D_n, SO.2. and O.2. only"):
        wigner.wigner_D_matrix(1, 0.0, 0.0, 0.0)


def test_planar_groups_are_there():
    orders = [
        space.fibergroup.order() for space in (gspaces.rot2dOnR2(8), gspaces.flipRot2dOnR2(8))
    ]
    assert orders == [8, 16]
