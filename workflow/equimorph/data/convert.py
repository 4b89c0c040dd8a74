"""From HDF5 to one memory-mappable array, in bounded memory."""

from pathlib import Path

import numpy as np

from equimorph.data.raw import open_raw
from equimorph.data.slices import SLICE_BYTES, read_slices
from equimorph.io import atomic_path


def convert(raw: str | Path, images: str | Path, slice_bytes: int = SLICE_BYTES) -> None:
    """Write the images of a raw file as .npy.

    Plain writes rather than a memory map: the pages of a map that was written to count as this
    process's memory.

    Args:
        raw: raw HDF5 file, verified.
        images: .npy file to write: (N, H, W, 3) uint8, readable with `mmap_mode="r"`.
        slice_bytes: bytes to read at a time.

    Raises:
        InputError: the raw file cannot be read.
    """
    with open_raw(raw) as source, atomic_path(images) as new_images, open(new_images, "wb") as file:
        header = {"descr": "|u1", "fortran_order": False, "shape": source["images"].shape}
        np.lib.format.write_array_header_1_0(file, header)
        for part in read_slices(source["images"], "convert", slice_bytes):
            file.write(part)
