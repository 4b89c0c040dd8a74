"""Filters that remove field stars from an image, by the name that a config gives them."""

from collections.abc import Callable

import numpy as np

# Of an (H, W, 3) image, its arcsec per px and its random stream.
Filter = Callable[[np.ndarray, float, np.random.Generator], np.ndarray]


def _by_seeing(image: np.ndarray, pixel_scale: float, rng: np.random.Generator) -> np.ndarray:
    from equimorph.data.stars import remove_stars

    return remove_stars(image, pixel_scale, rng)


def _brightest(image: np.ndarray, pixel_scale: float, rng: np.random.Generator) -> np.ndarray:
    from equimorph.data.brightest import remove_brightest

    return remove_brightest(image)


SEEING = "seeing"
# Their modules are imported where they are used: every training and prediction asks for the names,
# and scipy.ndimage takes 0.3 s.
FILTERS: dict[str, Filter] = {SEEING: _by_seeing, "brightest": _brightest}
