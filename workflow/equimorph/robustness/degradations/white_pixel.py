"""One white pixel at a random place, as S1's first adversarial test had it (arXiv:2311.01500)."""

from typing import Any

import numpy as np

from equimorph.robustness.degradations import SEED, Allowed

SETTINGS: dict[str, Allowed] = {"seed": SEED}
NEEDED = ({"seed"},)
NEEDS_MEAN = False
WHITE = 255  # S1 sets 1.0 in its normalised images, whose range is -1 to 1


def apply(image: np.ndarray, rng: np.random.Generator, mean: float | None) -> np.ndarray:
    """Make one pixel, anywhere in the image with equal probability, white in all channels.

    It is a pixel of the stored image, which is then resized for a network; S1's was one of the
    resized image.
    """
    changed = image.copy()
    row, column = rng.integers(image.shape[:2])
    changed[row, column] = WHITE
    return changed


def describe(settings: dict[str, Any]) -> str:
    """Return what it does, in words."""
    return "one pixel at a random place made white"
