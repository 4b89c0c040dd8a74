"""From HDF5 to one memory-mappable array, in bounded memory."""

import math
from collections.abc import Sequence
from pathlib import Path

import h5py
import numpy as np

from equimorph.data.image_file import new_images
from equimorph.data.raw import open_raw
from equimorph.errors import InputError
from equimorph.progress import progress

# Galaxy10 is chunked (555, 16, 16, 1): one row of chunks is 104 MiB of 256-pixel images.
SLICE_BYTES = 128 * 2**20


def slice_length(
    shape: Sequence[int], chunks: Sequence[int] | None, limit: int = SLICE_BYTES
) -> int:
    """Return how many images to read at a time so that each chunk is unpacked once.

    Args:
        shape: (N, H, W, 3) of the uint8 array.
        chunks: shape of its chunks, None where it is stored in one piece.
        limit: bytes that a slice may have.

    Returns:
        As many whole chunks along axis 0 as the limit admits. If not even one does, the images
        that do: chunks are then unpacked more than once, but memory stays bounded.
    """
    images = max(1, limit // math.prod(shape[1:]))
    rows = chunks[0] if chunks else 1
    return images // rows * rows or images


def convert(raw: str | Path, images: str | Path, slice_bytes: int = SLICE_BYTES) -> None:
    """Write the images of a raw file as .npy.

    Args:
        raw: raw HDF5 file, verified.
        images: .npy file to write: (N, H, W, 3) uint8, readable with `mmap_mode="r"`.
        slice_bytes: bytes to read at a time.

    Raises:
        InputError: the raw file cannot be read.
    """
    with open_raw(raw) as file:
        source = file["images"]
        n_images = len(source)
        step = slice_length(source.shape, source.chunks, slice_bytes)
        buffer = np.empty((min(step, n_images), *source.shape[1:]), np.uint8)
        with (
            new_images(images, source.shape) as new,
            progress(n_images, "convert", "images") as bar,
        ):
            for start in range(0, n_images, step):
                part = buffer[: n_images - start]
                _read_rows(source, start, part)
                new.write(part.data)
                bar.update(len(part))


def _read_rows(source: h5py.Dataset, start: int, rows: np.ndarray) -> None:
    """Fill `rows` with those of the source from `start`."""
    stop = start + len(rows)
    try:
        source.read_direct(rows, np.s_[start:stop])
    except OSError as error:
        raise InputError(
            f"{source.file.filename}: key 'images': rows {start} to {stop - 1} cannot be unpacked "
            f"({error})."
        ) from error
