"""A shorter exposure: the photon noise of a share of the time."""

import math
from typing import Any

import numpy as np

from equimorph.robustness.degradations import SEED, Allowed, is_number
from equimorph.robustness.degradations.noise import GALAXY10_GAIN, add_photon_noise

SETTINGS: dict[str, Allowed] = {
    "share": (lambda v: is_number(v) and 0 < v <= 1, "a number above 0, up to 1"),
    "seed": SEED,
    "gain": (lambda v: is_number(v) and v > 0, "a number above 0"),
}
NEEDED = ({"share", "seed"},)
NEEDS_MEAN = False


def apply(
    image: np.ndarray,
    rng: np.random.Generator,
    mean: float | None,
    share: float,
    gain: float = GALAXY10_GAIN,
) -> np.ndarray:
    """Add photon noise until the image is as noisy as with `share` of its exposure time.

    Signal-to-noise falls with the root of the time.
    """
    return add_photon_noise(image, 1 - math.sqrt(share), rng, gain)


def describe(settings: dict[str, Any]) -> str:
    """Return what it does, in words."""
    return f"photon noise as of {100 * settings['share']:g} % of the exposure time"
