"""From fluxes in g, r, z to the Legacy Surveys' colours, and back.

The stretch is that of the surveys' own cut-outs, which Galaxy10 consists of; astropy's Lupton
stretch with its default parameters differs from it by 43 to 70 pixel values.
"""

import numpy as np
from numpy.typing import NDArray

from equimorph.errors import InputError
from equimorph.simulation.exposure import (
    NATIVE_PIXEL,
    STRETCH_FLOOR,
    STRETCH_Q,
    WEIGHTS,
    stretch,
)


def to_rgb(fluxes: NDArray, pixel_scale: float = NATIVE_PIXEL) -> NDArray[np.uint8]:
    """Return the colours that the surveys' service gives an image.

    Args:
        fluxes: (3, H, W) nanomaggies per pixel in g, r and z, as FITS cut-outs have them.
        pixel_scale: arcsec per px; a pixel collects light in proportion to its area, and the
            stretch is defined on pixels of 0.262 arcsec.

    Returns:
        (H, W, 3) uint8.

    Raises:
        InputError: another shape, values that are not finite, or no such scale.
    """
    fluxes = np.asarray(fluxes)
    if fluxes.ndim != 3 or len(fluxes) != 3:
        raise InputError(f"fluxes of shape {fluxes.shape}: allowed is (3, H, W), in g, r, z.")
    if not np.isfinite(fluxes).all():
        bad = ~np.isfinite(fluxes)
        raise InputError(f"{bad.sum()} of {bad.size} fluxes are not finite; allowed are numbers.")
    if not 0 < pixel_scale < np.inf:
        raise InputError(f"pixel scale {pixel_scale}: allowed are numbers above 0, in arcsec.")
    native = fluxes[::-1].astype(np.float64) * (NATIVE_PIXEL / pixel_scale) ** 2
    return (255 * stretch(native).transpose(1, 2, 0)).round().astype(np.uint8)


def from_rgb(images: NDArray) -> NDArray[np.float64]:
    """Return the fluxes of colours, up to what rounding and saturation have lost.

    Args:
        images: (..., H, W, 3) pixel values.

    Returns:
        (3, ..., H, W) nanomaggies per native pixel in z, r, g, the order of `exposure.stretch`.
    """
    values = np.moveaxis(np.asarray(images, np.float64), -1, 0) / 255
    mean = np.maximum(values.mean(axis=0), 1e-4)
    weighted = values / mean * np.sinh(STRETCH_Q**0.5 * mean) / STRETCH_Q
    return (weighted - STRETCH_FLOOR) / WEIGHTS.reshape(3, *[1] * (values.ndim - 1))
