"""Worse seeing: images blurred by a Gaussian whose width is given on the sky."""

import math
from typing import Any

import numpy as np

from equimorph.robustness.degradations import Allowed, is_number
from equimorph.robustness.pixels import to_uint8

SETTINGS: dict[str, Allowed] = {
    "fwhm": (lambda v: is_number(v) and v >= 0, "a number of arcsec from 0 up"),
    "field": (lambda v: is_number(v) and v > 0, "a number of arcsec above 0"),
}
NEEDED = ({"fwhm"},)
NEEDS_MEAN = False
GALAXY10_FIELD = 67.1  # arcsec on a side: 256 px of 0.262
_FWHM_PER_SIGMA = 2 * math.sqrt(2 * math.log(2))


def apply(
    image: np.ndarray,
    rng: np.random.Generator,
    mean: float | None,
    fwhm: float,
    field: float = GALAXY10_FIELD,
) -> np.ndarray:
    """Blur by a Gaussian of `fwhm` arcsec, where the image is `field` arcsec wide."""
    return blur(image, fwhm * len(image) / field)


def describe(settings: dict[str, Any]) -> str:
    """Return what it does, in words."""
    return f"blurred by a Gaussian of {settings['fwhm']:g} arcsec, as by worse seeing"


def blur(image: np.ndarray, fwhm: float) -> np.ndarray:
    """Convolve each channel with a round Gaussian; beyond the frame lies its mirror image.

    The seeing that the image has adds in quadrature: one of 1.2 arcsec becomes
    sqrt(1.2^2 + fwhm^2). The noise is blurred, too, as it is not at the telescope.

    Args:
        image: (H, H, 3) uint8.
        fwhm: full width at half maximum in px.

    Returns:
        (H, H, 3) uint8.
    """
    # Not above: the workflow reads of every degradation what a config may say of it.
    from scipy.ndimage import gaussian_filter

    sigma = fwhm / _FWHM_PER_SIGMA
    values = image.astype(np.float64)
    return to_uint8(gaussian_filter(values, (sigma, sigma, 0), mode="reflect", truncate=6))
