"""escnn where its SO(3) packages are not installed."""

import copy
import pickle
import subprocess
import sys

import pytest

from equimorph.groups.escnn import enn, gspaces


def test_so3_is_refused_in_a_sentence():
    wigner = sys.modules["lie_learn.representations.SO3.wigner_d"]
    with pytest.raises(NotImplementedError, match="planar groups C_n, D_n, SO.2. and O.2. only"):
        wigner.wigner_D_matrix(1, 0.0, 0.0, 0.0)


def test_planar_groups_are_there():
    orders = [
        space.fibergroup.order() for space in (gspaces.rot2dOnR2(8), gspaces.flipRot2dOnR2(8))
    ]
    assert orders == [8, 16]


def some_fields():
    """Field types of the spaces and representations that our networks have."""
    harmonic = gspaces.rot2dOnR2(-1)
    band = harmonic.fibergroup.bl_irreps(2)
    sampled = enn.FourierELU(harmonic, 2, band, 8).in_type
    restricted = enn.RestrictionModule(
        enn.FieldType(space := gspaces.flipRot2dOnR2(8), [space.regular_repr]), (None, 4)
    ).out_type
    plain = [
        enn.FieldType(space, [space.trivial_repr, space.regular_repr])
        for space in (gspaces.rot2dOnR2(4), gspaces.flipRot2dOnR2(4), gspaces.flipRot2dOnR2(1))
    ]
    reflected = gspaces.flipRot2dOnR2(-1)
    return [*plain, sampled, restricted, enn.FieldType(reflected, list(reflected.irreps))]


READ = """
import pickle, sys
import equimorph.groups.escnn
for field_type in pickle.load(sys.stdin.buffer):
    group = field_type.gspace.fibergroup
    element = list(group.grid(7) if group.order() < 0 else group.elements)[-1]
    print(field_type, [psi(element).round(5).tolist() for psi in field_type.representations])
"""


def test_field_types_are_pickled_for_another_process():
    types = some_fields()
    again = pickle.loads(pickle.dumps(types))
    assert again == types == copy.deepcopy(types)
    assert [hash(one) for one in again] == [hash(one) for one in types]
    # Here the groups know all representations; there none has been made.
    done = subprocess.run(
        [sys.executable, "-c", READ], input=pickle.dumps(types), capture_output=True, check=True
    )
    lines = done.stdout.decode().splitlines()
    for line, one in zip(lines, types, strict=True):
        group = one.gspace.fibergroup
        element = list(group.grid(7) if group.order() < 0 else group.elements)[-1]
        said = [psi(element).round(5).tolist() for psi in one.representations]
        assert line == f"{one} {said}"
