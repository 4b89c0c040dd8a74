"""Noise: a lower signal-to-noise ratio, by photon statistics or by the published formula."""

from typing import Any

import numpy as np

from equimorph.robustness.degradations import SEED, Allowed, is_number
from equimorph.robustness.pixels import to_uint8

FORMULAS = ("physical", "legacy")
SETTINGS: dict[str, Allowed] = {
    "formula": (lambda v: v in FORMULAS, "one of " + ", ".join(FORMULAS)),
    "level": (lambda v: is_number(v) and 0 <= v < 1, "a number from 0 to below 1"),
    "seed": SEED,
    "gain": (lambda v: is_number(v) and v > 0, "a number above 0"),
}
NEEDED = ({"formula", "level", "seed"},)
NEEDS_MEAN = True
# Electrons per pixel value: sky level / sky variance of the Galaxy10 images (median of three
# channels of 20 lossless images; a quarter of them lies below 0.22, a quarter above 0.43).
GALAXY10_GAIN = 0.34


def apply(
    image: np.ndarray,
    rng: np.random.Generator,
    mean: float | None,
    formula: str,
    level: float,
    gain: float = GALAXY10_GAIN,
) -> np.ndarray:
    """Add noise by the `physical` or the `legacy` formula."""
    if formula == "legacy":
        assert mean is not None  # NEEDS_MEAN
        return add_legacy_noise(image, level, mean, rng)
    return add_photon_noise(image, level, rng, gain)


def describe(settings: dict[str, Any]) -> str:
    """Return what it does, in words."""
    level = f"{100 * settings['level']:.0f} %"
    if settings["formula"] == "physical":
        return f"photon noise added until the signal-to-noise ratio is {level} lower"
    return f"Poisson counts added by the published study's formula, level {level}"


def add_photon_noise(
    image: np.ndarray,
    level: float,
    rng: np.random.Generator,
    gain: float = GALAXY10_GAIN,
) -> np.ndarray:
    """Lower an image's signal-to-noise ratio to s = 1 - level, as a shorter exposure would.

    At a gain of k electrons per pixel value, photon noise has a variance of I / k where the pixel
    value is I, sky included: the images keep a sky level, so the sky's noise is in it.
    Signal-to-noise grows with the root of the exposure time, so s times as much of it takes s^2 of
    the exposure, with a variance of I / (k s^2). The difference is added as Poisson(K I) / K, where
    K = k s^2 / (1 - s^2), whose mean is I: there is no brightness offset and nothing to clip at 0;
    only bright cores saturate at 255.

    Args:
        image: (H, W, 3) uint8.
        level: share of the signal-to-noise ratio that is lost, 0 ≤ level < 1.
        rng: this image's random stream.
        gain: k.

    Returns:
        (H, W, 3) uint8.
    """
    left = (1 - level) ** 2
    if left == 1:
        return image
    scale = gain * left / (1 - left)
    return to_uint8(rng.poisson(scale * image.astype(np.float64)) / scale)


def add_legacy_noise(
    image: np.ndarray, level: float, mean: float, rng: np.random.Generator
) -> np.ndarray:
    """Add noise by the formula of arXiv:2311.01500's code, which mostly adds brightness.

    Poisson(λ) with λ = mean / s - mean and s = 1 - level is added to every pixel and channel and
    the sum clipped to 0 … 255; λ is not subtracted.

    Args:
        image: (H, W, 3) uint8.
        level: 1 - s, 0 ≤ level < 1.
        mean: mean pixel value of the whole test set.
        rng: this image's random stream.

    Returns:
        (H, W, 3) uint8.
    """
    signal = 1 - level
    noise = rng.poisson(mean / signal - mean, image.shape)
    return np.clip(image + noise, 0, 255).astype(np.uint8)
