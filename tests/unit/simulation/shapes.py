"""Shapes of galaxies, measured on their images."""

import numpy as np

from equimorph.data.classes import GALAXY10_CLASSES
from equimorph.simulation.exposure import FIELD

DISTURBED, MERGING, ROUND, BETWEEN, CIGAR, BARRED, TIGHT, LOOSE, EDGE, EDGE_BULGE = range(10)
PER_CLASS = 24


def luminance(images, aperture=14.0):
    """Pixel values above the sky within `aperture` arcsec, and the coordinates in arcsec."""
    size = images.shape[1]
    axis = (np.arange(size) - (size - 1) / 2) * FIELD / size
    x, y = np.meshgrid(axis, axis)
    inside = np.hypot(x, y) < aperture
    light = images.astype(float).mean(3)
    light -= np.median(light, axis=(1, 2), keepdims=True)
    return np.where((light > 10) & inside, light, 0), x, y


def axis_ratio(images):
    """Ratio of the principal second moments per image."""
    light, x, y = luminance(images)
    total = light.sum((1, 2))

    def mean(values):
        return (light * values).sum((1, 2)) / total

    mx, my = mean(x), mean(y)
    xx, yy, xy = mean(x * x) - mx * mx, mean(y * y) - my * my, mean(x * y) - mx * my
    spread = np.hypot((xx - yy) / 2, xy)
    return np.sqrt(((xx + yy) / 2 - spread) / ((xx + yy) / 2 + spread))


def asymmetry(images):
    """Share of the light that a rotation by 180 degrees moves."""
    light, _, _ = luminance(images)
    return np.abs(light - light[:, ::-1, ::-1]).sum((1, 2)) / light.sum((1, 2))


def concentration(images):
    """Share of the light within 3 arcsec."""
    light, x, y = luminance(images)
    return (light * (np.hypot(x, y) < 3)).sum((1, 2)) / light.sum((1, 2))


def unevenness(images):
    """Scatter of the light along a 3 to 7 arcsec ring beyond harmonics 0 to 2 of an ellipse."""
    light, x, y = luminance(images)
    radius, azimuth = np.hypot(x, y), np.arctan2(y, x)
    scores = []
    for low in (3, 4, 5, 6):
        ring = (radius >= low) & (radius < low + 1)
        basis = np.stack(
            [np.ones(ring.sum()), radius[ring]]
            + [f(m * azimuth[ring]) for m in (1, 2, 4) for f in (np.cos, np.sin)],
            axis=1,
        )
        values = light[:, ring].T
        rest = values - basis @ np.linalg.lstsq(basis, values, rcond=None)[0]
        scores.append(rest.std(0))
    return np.mean(scores, axis=0)


def medians(measure, galaxies):
    """Median of a measure per class."""
    values = measure(galaxies.images)
    return [np.median(values[galaxies.labels == c]) for c in range(len(GALAXY10_CLASSES))]
