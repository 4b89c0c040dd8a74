"""Images, and degradations of each kind."""

import numpy as np
from scipy.ndimage import gaussian_filter

ROTATION = {"kind": "rotation", "seed": 7}
PHYSICAL = {"kind": "noise", "formula": "physical", "level": 0.5, "seed": 7}
LEGACY = {"kind": "noise", "formula": "legacy", "level": 0.25, "seed": 7}
RESOLUTION = {"kind": "resolution", "scale": 0.5}


def smooth_images(n, size, seed=0):
    """Return blurred noise that fills the grey scale: structure at a few pixels, no edges."""
    noise = np.random.default_rng(seed).normal(size=(n, size, size, 3))
    smooth = gaussian_filter(noise, (0, 3, 3, 0))
    return np.clip(128 + 200 * smooth / np.abs(smooth).max() / 2, 0, 255).astype(np.uint8)


def flat(level, n=4, size=128):
    return np.full((n, size, size, 3), level, np.uint8)
