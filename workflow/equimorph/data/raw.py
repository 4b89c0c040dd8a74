"""The one raw schema: the HDF5 keys of Galaxy10_DECals.h5, whatever the source."""

import math
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import h5py
import numpy as np

from equimorph.errors import InputError
from equimorph.io import atomic_path

RAW_KEYS = ("images", "ans", "ra", "dec", "redshift", "pxscale")
# Readers here visit every chunk once, in whole slices, so a cache only costs memory.
CHUNK_CACHE_BYTES = 2**20
CHUNK_IMAGES = 32  # in one chunk of a file written here
# gzip packs 1032 to 1 at best: a file that claims more than this holds nothing of the kind.
MAX_PACKING = 2000
MAX_CHUNK_BYTES = 2**28  # a chunk is unpacked in one piece, in memory


class RawArrays(NamedTuple):
    """The content of a raw file, in the order of `write_raw`'s arguments.

    images (N, H, W, 3) uint8; labels (N,) uint8; ra, dec in degrees, redshift, pxscale in
    arcsec per pixel: (N,) float64, NaN where unknown.
    """

    images: np.ndarray
    labels: np.ndarray
    ra: np.ndarray
    dec: np.ndarray
    redshift: np.ndarray
    pxscale: np.ndarray


def write_raw(
    path: str | Path,
    images: np.ndarray,
    labels: np.ndarray,
    ra: np.ndarray,
    dec: np.ndarray,
    redshift: np.ndarray,
    pxscale: np.ndarray,
) -> None:
    """Write a raw HDF5 file, atomically; equal input gives equal bytes.

    Args:
        path: file to write.
        images: (N, H, W, 3) uint8.
        labels: (N,) integers, stored as uint8 under `ans`.
        ra: (N,) right ascension in degrees.
        dec: (N,) declination in degrees.
        redshift: (N,), NaN where unknown.
        pxscale: (N,) arcsec per pixel.
    """
    with atomic_path(path) as temporary, h5py.File(temporary, "w", track_order=False) as file:
        # One colour of a few images per chunk: photon noise packs a little, 4 % better than with
        # the colours of a pixel side by side. No shuffle filter: a uint8 has one byte.
        file.create_dataset(
            "images",
            data=np.asarray(images, dtype=np.uint8),
            chunks=(min(CHUNK_IMAGES, len(images)), *images.shape[1:3], 1),
            compression="gzip",
            compression_opts=9,
        )
        file.create_dataset("ans", data=np.asarray(labels, dtype=np.uint8))
        for key, values in zip(RAW_KEYS[2:], (ra, dec, redshift, pxscale), strict=True):
            file.create_dataset(key, data=np.asarray(values, dtype=np.float64))


@contextmanager
def open_raw(path: str | Path) -> Iterator[h5py.File]:
    """Open a raw file for reading, with a bounded chunk cache.

    Raises:
        InputError: the file is absent, not HDF5, cut short, lacks a key of the schema, or has
            arrays that lie in other files or claim more than it can hold.
    """
    try:
        file = h5py.File(path, "r", rdcc_nbytes=CHUNK_CACHE_BYTES)
    except FileNotFoundError as error:
        raise InputError(f"{path}: there is no such file.") from error
    except OSError as error:
        raise InputError(f"{path}: not a whole HDF5 file ({error}).") from error
    with file:
        for key in RAW_KEYS:
            try:
                _check_array(path, file, key)
            except InputError:
                raise
            except Exception as error:  # damaged headers raise many kinds, also TypeError
                raise InputError(f"{path}: key '{key}': cannot be read ({error}).") from error
        yield file


def _check_array(path: str | Path, file: h5py.File, key: str) -> None:
    """Raise InputError unless a key holds an array whose values are in this very file."""
    # A link or a map may name any other file: none is followed.
    linked = key in file and not isinstance(file.get(key, getlink=True), h5py.HardLink)
    array: Any = None if linked else file.get(key)
    if not linked and not isinstance(array, h5py.Dataset):
        raise InputError(
            f"{path}: there is no array under the key '{key}'; found are "
            f"{sorted(map(str, file))}, needed are {sorted(RAW_KEYS)}."
        )
    if linked or array.external or array.is_virtual:
        raise InputError(
            f"{path}: key '{key}': the values lie elsewhere; allowed are arrays in the file "
            "itself, no links and no virtual or external storage."
        )
    if array.shape is None:
        raise InputError(f"{path}: key '{key}': is empty; needed is an array.")
    size = Path(path).stat().st_size
    if array.nbytes > MAX_PACKING * size:
        raise InputError(
            f"{path}: key '{key}': claims {array.nbytes} bytes, more than a file of {size} bytes "
            "can hold."
        )
    if array.chunks and math.prod(array.chunks) * array.dtype.itemsize > MAX_CHUNK_BYTES:
        raise InputError(
            f"{path}: key '{key}': the chunks have the shape {array.chunks}; allowed are chunks of "
            f"at most {MAX_CHUNK_BYTES // 2**20} MiB."
        )


def read_column(file: h5py.File, key: str) -> np.ndarray:
    """Return all values of a key.

    Raises:
        InputError: they cannot be unpacked.
    """
    try:
        return file[key][:]
    except (OSError, ValueError) as error:
        raise InputError(f"{file.filename}: key '{key}': cannot be unpacked ({error}).") from error
