"""From HDF5 to one memory-mappable array, in bounded memory."""

from pathlib import Path

from equimorph.data.image_file import new_images
from equimorph.data.raw import open_raw
from equimorph.data.slices import SLICE_BYTES, read_slices


def convert(raw: str | Path, images: str | Path, slice_bytes: int = SLICE_BYTES) -> None:
    """Write the images of a raw file as .npy.

    Args:
        raw: raw HDF5 file, verified.
        images: .npy file to write: (N, H, W, 3) uint8, readable with `mmap_mode="r"`.
        slice_bytes: bytes to read at a time.

    Raises:
        InputError: the raw file cannot be read.
    """
    with open_raw(raw) as source:
        stored = source["images"]
        with new_images(images, stored.shape) as new:
            for part in read_slices(stored, "convert", slice_bytes):
                new.write(part.data)
