"""Simulated galaxies: ten classes with Galaxy10's names, drawn from parametric light profiles.

Each galaxy is a handful of components (bulge, disc, bar, logarithmic arms, dust, tidal tails, a
companion; see equimorph.simulation.morphologies) in a field of stars and other galaxies, observed
as the Legacy Surveys' cut-outs are (see equimorph.simulation.exposure).
"""

import math
from collections.abc import Callable, Iterable

import numpy as np
from numpy.typing import NDArray

from equimorph.data.classes import GALAXY10_CLASSES
from equimorph.data.raw import MAX_IMAGES, MAX_SIDE, RawArrays
from equimorph.errors import InputError
from equimorph.simulation.exposure import FIELD, Exposure
from equimorph.simulation.morphologies import CLASSES, Galaxy

MIN_SIZE = 33
MEDIAN_REDSHIFT = 0.07
UNKNOWN_REDSHIFT = 0.05  # share of NaN


def simulate(
    per_class: int,
    size: int = 65,
    seed: int = 0,
    progress: Callable[[Iterable], Iterable] = iter,
    rounded: Callable[[int, NDArray], NDArray] = lambda row, values: np.rint(values),
) -> RawArrays:
    """Simulate `per_class` galaxies of each of the ten classes.

    Galaxy i of class c depends on (seed, c, i, size) alone, so a larger `per_class` extends the
    same set.

    Args:
        per_class: galaxies per class, at least 1.
        size: pixels on a side of the 67.1 arcsec field, at least 33.
        seed: any integer >= 0.
        progress: wraps the iterable of galaxies, for a progress bar.
        rounded: function of a galaxy's row and its pixel values, (size, size, 3) float32, that
            rounds them to integers.

    Raises:
        InputError: an argument is out of range.
    """
    for name, value, least, most in (
        ("per_class", per_class, 1, MAX_IMAGES // len(GALAXY10_CLASSES)),
        ("size", size, MIN_SIZE, MAX_SIDE),
        ("seed", seed, 0, 2**63 - 1),
    ):
        whole = isinstance(value, int) and not isinstance(value, bool)
        if not whole or not least <= value <= most:
            raise InputError(
                f"{name}: {value!r} is not allowed; give an integer from {least} to {most}."
            )
    n = per_class * len(GALAXY10_CLASSES)
    images = np.empty((n, size, size, 3), dtype=np.uint8)
    labels = np.repeat(np.arange(len(GALAXY10_CLASSES), dtype=np.uint8), per_class)
    ra, dec, redshift = np.empty((3, n))
    for row in progress(range(n)):
        label, index = divmod(row, per_class)
        rng = np.random.default_rng([seed, label, index])
        ra[row], dec[row] = footprint_position(rng)
        values, redshift[row] = simulate_galaxy(label, size, rng)
        images[row] = rounded(row, values)
    return RawArrays(images, labels, ra, dec, redshift, np.full(n, FIELD / size))


def simulate_galaxy(label: int, size: int, rng: np.random.Generator) -> tuple[NDArray, float]:
    """Simulate one galaxy.

    Returns:
        Its pixel values, (size, size, 3) float32 in [0, 255] and not yet rounded, and its redshift,
        NaN where unknown.
    """
    draw, mag, radius, g_r, g_r_sd = CLASSES[label]
    # Farther galaxies are fainter and smaller.
    distance = float(np.clip(rng.normal(0, 0.18), -0.5, 0.5))
    galaxy = Galaxy(
        mag=mag + 2.6 * distance + rng.normal(0, 0.35),
        size=radius * 10 ** (-0.5 * distance + rng.normal(0, 0.09)),
        g_r=rng.normal(g_r, g_r_sd),
        angle=rng.uniform(0, 2 * math.pi),
        hand=1 if rng.random() < 0.5 else -1,
    )
    sky = Exposure(size, rng)
    sky.add_field()
    draw(sky, galaxy, rng)
    redshift = math.nan if rng.random() < UNKNOWN_REDSHIFT else MEDIAN_REDSHIFT * 10**distance
    return sky.picture(), redshift


def footprint_position(rng: np.random.Generator) -> tuple[float, float]:
    """Draw a position (ra, dec in degrees) off the Galactic plane, -20 < dec < 34."""
    pole_ra, pole_dec = math.radians(192.859), math.radians(27.128)
    while True:
        ra = rng.uniform(0, 2 * math.pi)
        sine = rng.uniform(math.sin(math.radians(-20)), math.sin(math.radians(34)))
        dec = math.asin(sine)
        latitude = math.asin(
            sine * math.sin(pole_dec) + math.cos(dec) * math.cos(pole_dec) * math.cos(ra - pole_ra)
        )
        if abs(latitude) > math.radians(18):
            return math.degrees(ra), math.degrees(dec)
