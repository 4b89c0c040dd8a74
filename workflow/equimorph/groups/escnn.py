"""The guarded import of escnn: planar groups only, on current NumPy and scikit-learn.

escnn 1.0.11 imports `lie_learn` (no wheel for NumPy 2) and `py3nj` (needs a Fortran compiler) for
SO(3) alone, which this project never uses. Every module that needs escnn takes it from here:

    from equimorph.groups.escnn import enn, gspaces
"""

import copyreg
import sys
import types
import warnings
from typing import Any, NoReturn

_WIGNER = "lie_learn.representations.SO3.wigner_d"


def _refuse_so3(*_args: Any, **_kwargs: Any) -> NoReturn:
    """Stand in for lie_learn's Wigner matrices.

    Raises:
        NotImplementedError: always; SO(3) is not part of this installation.
    """
    raise NotImplementedError(
        "SO(3) is not available: equimorph installs escnn without lie_learn and py3nj and works "
        "with the planar groups C_n, D_n, SO(2) and O(2) only."
    )


def _stub_lie_learn() -> None:
    """Put an empty `lie_learn` package with a refusing `wigner_D_matrix` into `sys.modules`."""
    parts = _WIGNER.split(".")
    for depth in range(1, len(parts) + 1):
        name = ".".join(parts[:depth])
        sys.modules.setdefault(name, types.ModuleType(name))
    vars(sys.modules[_WIGNER])["wigner_D_matrix"] = _refuse_so3


_stub_lie_learn()
with warnings.catch_warnings():
    warnings.filterwarnings("ignore", message=".*py3nj.*")
    import escnn.group._numerical as _numerical
    from escnn import group, gspaces
    from escnn import nn as enn
    from escnn.nn.modules import basismanager

# scikit-learn >= 1.2 refuses the np.matrix that escnn passes to its randomised SVD; without it
# escnn takes scipy's exact SVD.
_numerical.randomized_svd = None

# escnn's groups, spaces, representations and field types hold functions that have no name, which
# nothing can pickle. Each is told by what it is made of; copies share the groups.


def _pickle_group(one: group.Group) -> tuple:
    return type(one)._generator, tuple(one._keys.values())


def _representation(of: group.Group, name: str, *given: Any) -> group.Representation:
    """Return a representation by its name, which a group has once, or make it."""
    return of.representations.get(name) or group.Representation(of, name, *given)


def _pickle_representation(one: group.Representation) -> tuple:
    given = (one.irreps, one.change_of_basis, one.supported_nonlinearities)
    return _representation, (one.group, one.name, *given, None, None, one.change_of_basis_inv)


for _kind in (group.CyclicGroup, group.DihedralGroup, group.SO2, group.O2):
    copyreg.pickle(_kind, _pickle_group)
copyreg.pickle(group.IrreducibleRepresentation, lambda one: (one.group.irrep, one.id))
copyreg.pickle(group.Representation, _pickle_representation)
copyreg.pickle(gspaces.GSpace2D, lambda one: (gspaces.GSpace2D, (one._sg_id,), {"name": one.name}))
copyreg.pickle(enn.FieldType, lambda one: (enn.FieldType, (one.gspace, one.representations)))

__all__ = ["basismanager", "enn", "gspaces"]
