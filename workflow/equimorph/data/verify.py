"""Check of a raw file against the schema, before anything is built on it."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from equimorph.data.chunks import check_unpacking
from equimorph.data.classes import check_n_classes
from equimorph.data.positions import SKY_LIMITS, check_positions
from equimorph.data.raw import ORIGIN_KEY, RAW_KEYS, about, open_raw, read_column
from equimorph.errors import InputError
from equimorph.io import sha256_of


def verify(
    path: str | Path,
    n_classes: int,
    sha256: str | None = None,
    class_counts: Sequence[int] | None = None,
    own: bool = False,
) -> dict[str, Any]:
    """Check a raw file and describe it.

    Args:
        path: raw HDF5 file.
        n_classes: number of classes; labels must be 0 … n_classes - 1.
        sha256: the digest the file must have, in either case; None: any.
        class_counts: (n_classes,) the number of images each class must have; None: any.
        own: whether it is a person's own file, whose positions may be in other units than degrees.

    Returns:
        `sha256`, `bytes`, `images` (N), `shape` [H, W, 3] and `class_counts`.

    Raises:
        InputError: the file is not what it should be; the message names the file, the key, what
            was found and what is allowed.
    """
    path = Path(path)
    check_n_classes(n_classes)
    if not path.is_file():
        raise InputError(f"{path}: there is no such file.")
    digest = sha256_of(path)
    if sha256 is not None and digest != sha256.lower():
        raise InputError(
            f"{path}: the sha256 is {digest}, it must be {sha256.lower()}; where the file is moved "
            "away, it is fetched."
        )
    with open_raw(path) as file:
        for key in _keys(file) if sha256 is None else ():  # else it is known to the last byte
            with about(path, key):
                check_unpacking(file[key])
        _check_images(path, file["images"])
        _check_columns(path, file)
        counts = _count_classes(path, read_column(file, "ans"), n_classes)
        if own:
            _check_sky(path, file)
        shape = file["images"].shape
    if class_counts is not None and counts != list(class_counts):
        raise InputError(
            f"{path}: key 'ans': the class counts are {counts}, they must be {list(class_counts)}."
        )
    return {
        "sha256": digest,
        "bytes": path.stat().st_size,
        "images": shape[0],
        "shape": list(shape[1:]),
        "class_counts": counts,
    }


def _keys(file: h5py.File) -> list[str]:
    """Return the keys that are read, those which the file has."""
    return [key for key in (*RAW_KEYS, ORIGIN_KEY) if key in file]


def _check_origin(path: Path, file: h5py.File) -> None:
    """Raise InputError unless each image names a row of its own in another file."""
    if file[ORIGIN_KEY].dtype.kind not in "iu":
        raise InputError(
            f"{path}: key '{ORIGIN_KEY}': the type is {file[ORIGIN_KEY].dtype}, it must be an "
            "integer type."
        )
    rows = read_column(file, ORIGIN_KEY)
    if rows.min() < 0 or len(np.unique(rows)) < len(rows):
        raise InputError(
            f"{path}: key '{ORIGIN_KEY}': a row is negative or stands twice; allowed are integers "
            "from 0, each once."
        )


def _check_images(path: Path, images: h5py.Dataset) -> None:
    shape = images.shape
    if images.dtype != np.uint8:
        raise InputError(f"{path}: key 'images': the type is {images.dtype}, it must be uint8.")
    if len(shape) != 4 or shape[3] != 3 or shape[1] != shape[2] or 0 in shape:
        raise InputError(
            f"{path}: key 'images': the shape is {shape}, it must be (N, H, H, 3) with N and H "
            "above 0: square RGB images."
        )


def _check_columns(path: Path, file: h5py.File) -> None:
    n_images = len(file["images"])
    for key in _keys(file)[1:]:
        if file[key].shape != (n_images,):
            raise InputError(
                f"{path}: key '{key}': the shape is {file[key].shape}, it must be ({n_images},), "
                "one entry per image."
            )
    if file["ans"].dtype != np.uint8:
        raise InputError(f"{path}: key 'ans': the type is {file['ans'].dtype}, it must be uint8.")
    if ORIGIN_KEY in file:
        _check_origin(path, file)
    for key in RAW_KEYS[2:]:
        if key in file and file[key].dtype.kind != "f":
            raise InputError(
                f"{path}: key '{key}': the type is {file[key].dtype}, it must be float64 (float32 "
                "is taken too)."
            )
        values = read_column(file, key)
        # Of redshift and pxscale only infinities are refused.
        lowest, highest = SKY_LIMITS.get(key, (-np.inf, np.inf))
        wrong = np.isinf(values) | (values < lowest) | (values > highest)
        if wrong.any():
            row = int(wrong.argmax())
            raise InputError(
                f"{path}: key '{key}': row {row} is {values[row]}; allowed are finite numbers from "
                f"{lowest:g} to {highest:g}, and NaN for unknown."
            )
    ra, dec = read_column(file, "ra"), read_column(file, "dec")
    origin = (ra == 0) & (dec == 0)
    if origin.any():
        raise InputError(
            f"{path}: keys 'ra' and 'dec': both are 0 in {origin.sum()} rows, the first is "
            f"{int(origin.argmax())}; no galaxy is there: where it is unknown, both must be NaN."
        )
    half = np.isnan(ra) != np.isnan(dec)
    if half.any():
        raise InputError(
            f"{path}: keys 'ra' and 'dec': row {int(half.argmax())} has only one of the two; both "
            "must be known or both NaN."
        )


def _check_sky(path: Path, file: h5py.File) -> None:
    """Raise InputError where positions, taken together, cannot be true or cannot be in degrees."""
    ra, dec, labels = (read_column(file, key) for key in ("ra", "dec", "ans"))
    in_degrees = all(_units(path, file, key) == "deg" for key in ("ra", "dec"))
    try:
        check_positions(ra, dec, labels, in_degrees, "give both arrays the attribute units, 'deg',")
    except InputError as error:
        raise InputError(f"{path}: keys 'ra' and 'dec': {error}") from error


def _units(path: Path, file: h5py.File, key: str) -> str:
    """Return what an array says of its units, nothing where it says nothing."""
    with about(path, key):
        value = file[key].attrs.get("units", "")
    return value.decode(errors="replace") if isinstance(value, bytes) else str(value)


def _count_classes(path: Path, labels: np.ndarray, n_classes: int) -> list[int]:
    wrong = labels >= n_classes
    if wrong.any():
        row = int(wrong.argmax())
        raise InputError(
            f"{path}: key 'ans': row {row} has label {labels[row]}; allowed are the integers 0 to "
            f"{n_classes - 1}."
        )
    return np.bincount(labels, minlength=n_classes).tolist()
