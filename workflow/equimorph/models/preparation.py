"""How the images that a network was trained on were prepared."""

from dataclasses import MISSING, dataclass, fields
from typing import Any

import numpy as np

# Largest relative difference of equal scales or fields; a cut-out is whole pixels wide.
TOLERANCE = 0.02


@dataclass(frozen=True)
class Preparation:
    """The preparation of a network's images, a part of its checkpoint.

    What the network does itself, normalising and masking, is in its specification.

    Attributes:
        side: side of the images as they were stored, in px.
        pixel_scale: arcsec per px of the stored images, None where it is unknown or not the same
            for all.
        stars_removed: seed of the noise in the place of the removed field stars; None for images
            with their stars.
        crop: central part of the image that the network sees, as a fraction of the side.
        input_size: side in px that this part is resized to.
        antialias: whether it is smoothed where it shrinks.
        star_filter: which field stars are removed and by what, a name in `star_filters.FILTERS`.
    """

    side: int
    pixel_scale: float | None
    stars_removed: int | None
    crop: float
    input_size: int
    antialias: bool = True
    star_filter: str = "seeing"

    @property
    def field(self) -> float | None:
        """Side of the images as they were stored in arcsec, None where it is unknown."""
        return None if self.pixel_scale is None else self.side * self.pixel_scale

    def stored(self) -> dict[str, Any]:
        """Return what a checkpoint stores: what has a default, only where it differs from it."""
        return {
            one.name: getattr(self, one.name)
            for one in fields(self)
            if one.default is MISSING or getattr(self, one.name) != one.default
        }


def common_scale(scales: np.ndarray) -> float | None:
    """Return the pixel scale that all images have, None where one is unknown or unlike the others.

    Args:
        scales: (N,) arcsec per px, NaN where unknown.
    """
    typical = float(np.median(scales))
    return typical if np.all(np.abs(scales / typical - 1) <= TOLERANCE) else None
