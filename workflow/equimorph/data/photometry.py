"""Simple measures of a galaxy on a cut-out: brightness, signal-to-noise, size, colour.

Cut-outs are stretched (Lupton et al. 2004) and their pixel values no fluxes; so these numbers
compare galaxies of one data set, and are no photometry.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

_MAD = 1.4826  # from a median absolute deviation to a Gaussian's standard deviation
_USUAL = 4  # standard deviations


@dataclass(frozen=True)
class Measures:
    """Measures of one cut-out.

    Attributes:
        mean: mean pixel value of the whole image, sky included; the published study calls its mean
            over the test set the mean signal-to-noise ratio.
        signal_to_noise: mean signal above the sky within the half-light radius, per pixel, in units
            of the sky's standard deviation; NaN where the sky has no noise.
        radius: half-light radius in arcsec, within the inscribed circle; NaN without any light.
        colour: (R - B) / (R + B) of the light within the half-light radius, -1 (blue) to 1 (red);
            NaN without any light.
    """

    mean: float
    signal_to_noise: float
    radius: float
    colour: float


def measure(image: NDArray[np.uint8], pixel_scale: float) -> Measures:
    """Measure one cut-out, its galaxy at the centre.

    The sky is what lies outside the inscribed circle. Other sources in the circle count as light.

    Args:
        image: (H, H, 3) uint8.
        pixel_scale: arcsec per px.
    """
    values = image.astype(np.float64)
    size = len(image)
    axis = np.arange(size) - (size - 1) / 2
    distance = np.hypot(axis[:, None], axis[None, :])
    outside = values[distance > size / 2]
    sky = np.median(outside, axis=0)
    light = np.where((distance <= size / 2)[..., None], values - sky, 0.0)
    noise = sky_noise(outside.mean(axis=1))
    grey = light.mean(axis=2)
    radius = half_light_radius(grey, distance)
    inside = distance <= np.fmax(radius, 1.0)
    red, _, blue = light[inside].clip(min=0).sum(axis=0)
    return Measures(
        mean=float(values.mean()),
        signal_to_noise=float(grey[inside].mean() / noise) if noise > 0 else float("nan"),
        radius=radius * pixel_scale,
        colour=float((red - blue) / (red + blue)) if red + blue > 0 else float("nan"),
    )


def sky_noise(values: NDArray) -> float:
    """Return the standard deviation of sky pixels (N,), without the sources among them.

    These are found by the median absolute deviation, which by itself is coarse: pixel values are
    whole numbers.
    """
    deviation = np.abs(values - np.median(values))
    usual = deviation <= _USUAL * _MAD * np.median(deviation)
    return float(values[usual].std())


def half_light_radius(light: NDArray, distance: NDArray) -> float:
    """Return the radius in px that holds half of the light; NaN where there is none.

    Values below the sky count as well, so that noise adds nothing on average.

    Args:
        light: (H, H) values above the sky.
        distance: (H, H) from the centre in px.
    """
    order = np.argsort(distance, axis=None, kind="stable")
    grown = light.ravel()[order].cumsum()
    if grown[-1] <= 0:
        return float("nan")
    return float(distance.ravel()[order][(grown >= grown[-1] / 2).argmax()])
