"""The one raw schema: the HDF5 keys of Galaxy10_DECals.h5, whatever the source."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from itertools import islice
from pathlib import Path
from typing import Any, NamedTuple

import h5py
import numpy as np

from equimorph.data.chunks import check_storage
from equimorph.errors import InputError
from equimorph.io import atomic_path

RAW_KEYS = ("images", "ans", "ra", "dec", "redshift", "pxscale")
# Unknown for every image where a file does not have them.
OPTIONAL_KEYS = ("redshift", "pxscale")
# The row of each image in the file that this one was taken from, such as Galaxy10_DECals.h5.
ORIGIN_KEY = "h5_index"
# Readers here visit every chunk once, in whole slices, so a cache only costs memory.
CHUNK_CACHE_BYTES = 2**20
CHUNK_IMAGES = 32  # in one chunk of a file written here
# What memory and disk must hold, whatever a file claims. Galaxy10 packs 1.4 to 1, model galaxies
# without noise 8 to 1, galaxies on a black sky 11 to 1; small arrays may pack as they like.
MAX_IMAGES, MAX_SIDE = 2**22, 2**12
MAX_PACKING, SMALL_BYTES = 100, 2**26
LISTED_KEYS = 20


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
    # In memory first: on a full disk HDF5 ends in a segmentation fault when it closes a file.
    with h5py.File("raw", "w", driver="core", backing_store=False, track_order=False) as file:
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
        file.flush()
        content = file.id.get_file_image()
    with atomic_path(path) as temporary:
        temporary.write_bytes(content)


@contextmanager
def open_raw(
    path: str | Path, keys: Sequence[str] = (*RAW_KEYS, ORIGIN_KEY)
) -> Iterator[h5py.File]:
    """Open a raw file for reading, with a bounded chunk cache.

    Args:
        path: the file.
        keys: those that will be read; no other may be.

    Raises:
        InputError: the file is absent, not HDF5, cut short, lacks a key that is not optional, or
            has arrays that lie in other files, were never written or claim more than it can hold.
    """
    if not Path(path).is_file():
        raise InputError(f"{path}: there is no such file.")
    try:
        file = h5py.File(path, "r", rdcc_nbytes=CHUNK_CACHE_BYTES)
    except OSError as error:
        reason = " ".join(str(error).split())  # may have several lines
        raise InputError(f"{path}: not a whole HDF5 file ({reason}).") from error
    with file:
        for key in keys:
            with about(path, key):
                if key in file or key not in (*OPTIONAL_KEYS, ORIGIN_KEY):
                    _check_array(file, key, Path(path).stat().st_size)
        yield file


@contextmanager
def about(path: str | Path, key: str) -> Iterator[None]:
    """Turn any error of the block into an InputError that names the file and the key."""
    try:
        yield
    except InputError as error:
        raise InputError(f"{path}: key '{key}': {error}") from error
    except Exception as error:  # damaged headers raise many kinds, also TypeError
        raise InputError(f"{path}: key '{key}': cannot be read ({error}).") from error


def _check_array(file: h5py.File, key: str, size: int) -> None:
    """Raise InputError unless a key holds an array whose values are in this very file."""
    # A link or a map may name any other file: none is followed.
    linked = key in file and not isinstance(file.get(key, getlink=True), h5py.HardLink)
    array: Any = None if linked else file.get(key)
    if not linked and not isinstance(array, h5py.Dataset):
        found = sorted(map(str, islice(file, LISTED_KEYS)))
        needed = sorted(set(RAW_KEYS) - set(OPTIONAL_KEYS))
        raise InputError(f"there is no such array; found are {found}, needed {needed}.")
    if linked or array.external or array.is_virtual:
        raise InputError(
            "the values lie elsewhere; allowed are arrays in the file itself, no links and no "
            "virtual or external storage."
        )
    if array.shape is None:
        raise InputError("is empty; needed is an array.")
    if array.ndim and (len(array) > MAX_IMAGES or any(n > MAX_SIDE for n in array.shape[1:])):
        raise InputError(
            f"the shape is {array.shape}; allowed are at most {MAX_IMAGES} images of at most "
            f"{MAX_SIDE} px."
        )
    if array.nbytes > max(MAX_PACKING * size, SMALL_BYTES):
        raise InputError(
            f"claims {array.nbytes} bytes, more than images in a file of {size} bytes unpack to."
        )
    check_storage(array)


def read_column(file: h5py.File, key: str) -> np.ndarray:
    """Return all values of a key; NaN for each image where an optional key is absent.

    Raises:
        InputError: they cannot be unpacked.
    """
    if key in OPTIONAL_KEYS and key not in file:
        return np.full(len(file["ans"]), np.nan)
    try:
        return file[key][:]
    except (OSError, ValueError) as error:
        raise InputError(f"{file.filename}: key '{key}': cannot be unpacked ({error}).") from error
