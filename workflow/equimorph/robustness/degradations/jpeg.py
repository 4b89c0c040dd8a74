"""Compression as JPEG, as images from the web have been."""

import io
from typing import Any

import numpy as np

from equimorph.robustness.degradations import Allowed

SETTINGS: dict[str, Allowed] = {
    "quality": (
        lambda v: isinstance(v, int) and not isinstance(v, bool) and 1 <= v <= 100,
        "a whole number from 1 to 100",
    ),
}
NEEDED = ({"quality"},)
NEEDS_MEAN = False


def apply(
    image: np.ndarray, rng: np.random.Generator, mean: float | None, quality: int
) -> np.ndarray:
    """Compress an image (H, W, 3) uint8 and read it again; colours at half the resolution.

    Args:
        image: pixel values.
        rng: not used.
        mean: not used.
        quality: that of libjpeg, 1 to 100; the web's cut-outs of DECaLS have about 75 to 90.
    """
    from PIL import Image

    file = io.BytesIO()
    Image.fromarray(image).save(file, "JPEG", quality=quality, subsampling="4:2:0")
    return np.asarray(Image.open(file))


def describe(settings: dict[str, Any]) -> str:
    """Return what it does, in words."""
    return f"compressed as JPEG of quality {settings['quality']}"
