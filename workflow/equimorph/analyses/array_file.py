"""Named arrays in one `.npz`, as the analyses keep them."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from equimorph.errors import InputError
from equimorph.io import atomic_path


def write_arrays(path: str | Path, arrays: Mapping[str, ArrayLike]) -> None:
    """Write what `read_arrays` reads, packed, atomically."""
    with atomic_path(path) as temporary, open(temporary, "wb") as file:
        np.savez_compressed(file, **arrays)  # type: ignore[arg-type]


def read_arrays(path: str | Path) -> dict[str, NDArray[Any]]:
    """Read all arrays of a file, by name; nothing in it is unpickled.

    Raises:
        InputError: not such a file.
    """
    try:
        with np.load(path, allow_pickle=False) as file:
            return dict(file)
    except FileNotFoundError:
        raise
    except Exception as error:  # damaged archives raise many kinds
        raise InputError(f"{path}: not a file of named arrays, npz ({error}).") from error
