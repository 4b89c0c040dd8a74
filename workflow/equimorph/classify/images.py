"""Whatever shows a galaxy, as a square RGB image: files, arrays, tensors, images of Pillow."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image

from equimorph.data.images import decode, rgb_of
from equimorph.errors import InputError
from equimorph.sky.fits import SIGNATURE, read_fits
from equimorph.sky.fluxes import NATIVE_PIXEL, to_rgb

MAX_FILE_BYTES = 2**28
LARGEST_SIDE, SMALLEST_SIDE = 4096, 8  # px
ALLOWED = (
    "a path, an image of Pillow, uint8 RGB (H, H, 3) or (3, H, H), or float fluxes (3, H, H) in "
    "g, r, z, of NumPy or torch; or several of them, also as one array with an axis before these"
)


@dataclass(frozen=True)
class Galaxy:
    """An image to classify.

    Attributes:
        name: path of its file, or its number among those given.
        pixels: (H, H, 3) uint8.
        pixel_scale: arcsec per px; None for an image that shows the training images' field.
    """

    name: str
    pixels: NDArray[np.uint8]
    pixel_scale: float | None = None


def read_galaxies(given: Any, pixel_scale: float | None = None) -> list[Galaxy]:
    """Return one or many images, of any kind that `ALLOWED` names, as square RGB images.

    Args:
        given: the images.
        pixel_scale: arcsec per px of all of them; None for what a file says. Fluxes of which
            nothing is known are taken to be those of 0.262.

    Raises:
        InputError: something else, or an image that cannot be read; the message names it.
    """
    galaxies = []
    for number, one in enumerate(_one_by_one(given)):
        name = str(one) if isinstance(one, str | Path) else f"image {number}"
        try:
            galaxies.append(_galaxy(name, one, pixel_scale))
        except InputError as error:
            raise InputError(f"{name}: {error}") from error
    return galaxies


def read_galaxy(path: str | Path, pixel_scale: float | None = None) -> Galaxy:
    """Read an image file or a FITS file.

    Raises:
        InputError: it cannot be read; the message does not name it.
    """
    path = Path(path)
    try:
        if not path.is_file():
            raise InputError("there is no such file")
        if (size := path.stat().st_size) > MAX_FILE_BYTES:
            raise InputError(f"has {size} bytes; allowed are at most {MAX_FILE_BYTES}")
        content = path.read_bytes()
    except (OSError, ValueError) as error:
        if isinstance(error, InputError):
            raise
        raise InputError(f"cannot be read ({error})") from error
    return galaxy_of(str(path), content, pixel_scale)


def galaxy_of(name: str, content: bytes, pixel_scale: float | None = None) -> Galaxy:
    """Return the image in a file's content: FITS, or a kind in `data.images.FORMATS`.

    Raises:
        InputError: it holds none, or one that is not square.
    """
    if content.startswith(SIGNATURE):
        cut_out = read_fits(content)
        scale = cut_out.pixel_scale if pixel_scale is None else pixel_scale
        rgb = to_rgb(cut_out.fluxes, NATIVE_PIXEL if scale is None else scale)
        return Galaxy(name, _square(rgb), scale)
    return Galaxy(name, _square(decode(content, LARGEST_SIDE)), pixel_scale)


def _one_by_one(given: Any) -> Iterator[Any]:
    if isinstance(given, np.ndarray | torch.Tensor):
        yield from given if given.ndim == 4 else [given]
    elif isinstance(given, str | Path | Image.Image) or not isinstance(given, Iterable):
        yield given
    else:
        yield from given


def _galaxy(name: str, given: Any, pixel_scale: float | None) -> Galaxy:
    if isinstance(given, str | Path):
        return read_galaxy(given, pixel_scale)
    if isinstance(given, Image.Image):
        return Galaxy(name, _square(rgb_of(given, LARGEST_SIDE)), pixel_scale)
    if isinstance(given, torch.Tensor):
        given = given.detach().cpu()
        # NumPy has no bfloat16.
        given = (given.float() if given.is_floating_point() else given).numpy()
    if not isinstance(given, np.ndarray):
        raise InputError(f"a {type(given).__name__} is no image; allowed are {ALLOWED}.")
    if np.issubdtype(given.dtype, np.floating) and given.ndim == 3 and len(given) == 3:
        scale = NATIVE_PIXEL if pixel_scale is None else pixel_scale
        return Galaxy(name, _square(to_rgb(given, scale)), pixel_scale)
    if given.dtype == np.uint8 and given.ndim == 3 and 3 in (given.shape[2], len(given)):
        upright = given if given.shape[2] == 3 else given.transpose(1, 2, 0)
        return Galaxy(name, _square(np.ascontiguousarray(upright)), pixel_scale)
    raise InputError(f"{given.dtype} of shape {given.shape} is no image; allowed are {ALLOWED}.")


def _square(pixels: NDArray[np.uint8]) -> NDArray[np.uint8]:
    height, width, _ = pixels.shape
    if height != width or not SMALLEST_SIDE <= height <= LARGEST_SIDE:
        raise InputError(
            f"{width}x{height} px; allowed are square images of {SMALLEST_SIDE} to "
            f"{LARGEST_SIDE} px, with the galaxy in the middle"
        )
    return pixels
