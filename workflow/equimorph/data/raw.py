"""The one raw schema: the HDF5 keys of Galaxy10_DECals.h5, whatever the source."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import h5py
import numpy as np

from equimorph.errors import InputError
from equimorph.io import atomic_path

RAW_KEYS = ("images", "ans", "ra", "dec", "redshift", "pxscale")
# Readers here visit every chunk once, in whole slices, so a cache only costs memory.
CHUNK_CACHE_BYTES = 2**20
MAX_CLASSES = 256  # labels are uint8


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
        # One image per chunk: any slice is cheap to read, and photon noise still compresses a
        # little. No shuffle filter: it regroups the bytes of wider numbers, a uint8 has only one.
        file.create_dataset(
            "images",
            data=np.asarray(images, dtype=np.uint8),
            chunks=(1, *images.shape[1:]),
            compression="gzip",
            compression_opts=9,
        )
        file.create_dataset("ans", data=np.asarray(labels, dtype=np.uint8))
        for key, values in (("ra", ra), ("dec", dec), ("redshift", redshift), ("pxscale", pxscale)):
            file.create_dataset(key, data=np.asarray(values, dtype=np.float64))


@contextmanager
def open_raw(path: str | Path) -> Iterator[h5py.File]:
    """Open a raw file for reading, with a bounded chunk cache.

    Raises:
        InputError: the file is absent, not HDF5, cut short, or lacks a key of the schema.
    """
    try:
        file = h5py.File(path, "r", rdcc_nbytes=CHUNK_CACHE_BYTES)
    except FileNotFoundError as error:
        raise InputError(f"{path}: there is no such file.") from error
    except OSError as error:
        raise InputError(f"{path}: not a whole HDF5 file ({error}).") from error
    with file:
        for key in RAW_KEYS:
            if not isinstance(file.get(key), h5py.Dataset):
                raise InputError(
                    f"{path}: there is no array under the key '{key}'; found are "
                    f"{sorted(file)}, needed are {sorted(RAW_KEYS)}."
                )
        yield file


def check_n_classes(n_classes: int) -> None:
    """Raise InputError unless the labels 0 … n_classes - 1 fit the schema."""
    if not 1 <= n_classes <= MAX_CLASSES:
        raise InputError(f"{n_classes} classes: allowed are 1 to {MAX_CLASSES}.")
