"""A raw file's images slice by slice, in bounded memory."""

import math
from collections.abc import Iterator, Sequence

import h5py
import numpy as np

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


def read_slices(
    source: h5py.Dataset, title: str, slice_bytes: int = SLICE_BYTES
) -> Iterator[np.ndarray]:
    """Yield the images in order, as many (n, H, W, 3) at a time as fit into `slice_bytes`.

    A slice is overwritten by the next one. A progress bar tells how far it is.

    Raises:
        InputError: some cannot be unpacked; the message names them.
    """
    n_images = len(source)
    step = slice_length(source.shape, source.chunks, slice_bytes)
    buffer = np.empty((min(step, n_images), *source.shape[1:]), np.uint8)
    with progress(n_images, title, "images") as bar:
        for start in range(0, n_images, step):
            part = buffer[: n_images - start]
            stop = start + len(part)
            try:
                source.read_direct(part, np.s_[start:stop])
            except OSError as error:
                raise InputError(
                    f"{source.file.filename}: key 'images': rows {start} to {stop - 1} cannot be "
                    f"unpacked ({error})."
                ) from error
            yield part
            bar.update(len(part))
