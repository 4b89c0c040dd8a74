"""Morphological opening: what is smaller than a disc goes, as S1 tried it (arXiv:2311.01500)."""

from functools import lru_cache
from typing import Any

import numpy as np

from equimorph.robustness.degradations import Allowed

SETTINGS: dict[str, Allowed] = {
    "radius": (
        lambda v: isinstance(v, int) and not isinstance(v, bool) and 1 <= v <= 50,
        "a whole number of pixels from 1 to 50",
    ),
}
NEEDED = ({"radius"},)
NEEDS_MEAN = False


def apply(
    image: np.ndarray, rng: np.random.Generator, mean: float | None, radius: int
) -> np.ndarray:
    """Open each channel of an image (H, W, 3) uint8 with a disc; S1's radii are 3 and 4 px.

    Opening is the least value under the disc, then the largest of these: stars that are smaller
    than the disc vanish, and so do spiral arms that are thinner. S1's images were resized to 224 px
    before; these are as they are stored.

    Args:
        image: pixel values.
        rng: not used.
        mean: not used.
        radius: of the disc, in px.
    """
    # Not above: the workflow reads of every degradation what a config may say of it.
    from scipy.ndimage import grey_opening

    return grey_opening(image, footprint=_disc(radius)[..., None], mode="reflect")


def describe(settings: dict[str, Any]) -> str:
    """Return what it does, in words."""
    return f"opened morphologically with a disc of {settings['radius']} px radius"


@lru_cache(maxsize=8)
def _disc(radius: int) -> np.ndarray:
    axis = np.arange(-radius, radius + 1)
    return axis[:, None] ** 2 + axis[None, :] ** 2 <= radius**2
