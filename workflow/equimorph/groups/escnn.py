"""The guarded import of escnn: planar groups only, on current NumPy and scikit-learn.

escnn 1.0.11 imports `lie_learn` (no wheel for NumPy 2) and `py3nj` (needs a Fortran compiler) for
SO(3) alone, which this project never uses. Every module that needs escnn takes it from here:

    from equimorph.groups.escnn import enn, gspaces
"""

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
    from escnn import gspaces
    from escnn import nn as enn
    from escnn.nn.modules import basismanager

# scikit-learn >= 1.2 refuses the np.matrix that escnn passes to its randomised SVD; without it
# escnn takes scipy's exact SVD.
_numerical.randomized_svd = None

__all__ = ["basismanager", "enn", "gspaces"]
