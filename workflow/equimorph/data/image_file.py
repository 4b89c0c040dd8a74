"""Files of images: one memory-mappable array (N, H, W, 3) uint8 as .npy."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

import numpy as np

from equimorph.errors import InputError
from equimorph.io import atomic_path


def open_images(path: str | Path) -> np.ndarray:
    """Open a memory-mapped (N, H, W, 3) uint8 array.

    Raises:
        InputError: the file is something else.
    """
    try:
        images = np.load(path, mmap_mode="r")
        kind, shape = images.dtype, images.shape
    except Exception as error:  # damaged headers raise many kinds, from EOFError to SyntaxError
        raise InputError(f"{path}: not a readable array of images ({error}).") from error
    if kind != np.uint8 or len(shape) != 4 or shape[3] != 3:
        raise InputError(f"{path}: holds {kind} of shape {shape}; allowed is uint8 (N, H, W, 3).")
    return images


@contextmanager
def new_images(path: str | Path, shape: Sequence[int]) -> Iterator[BinaryIO]:
    """Yield a file that takes the images in order; it is in place once the block succeeds.

    Plain writes rather than a memory map: the pages of a map that was written to count as this
    process's memory.

    Args:
        path: .npy file to write.
        shape: (N, H, W, 3) of all images, whose uint8 values the block writes.
    """
    header = {"descr": "|u1", "fortran_order": False, "shape": tuple(shape)}
    with atomic_path(path) as temporary, open(temporary, "wb") as file:
        np.lib.format.write_array_header_1_0(file, header)
        yield file
