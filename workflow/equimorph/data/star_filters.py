"""Filters that remove field stars from an image, by the name that a config gives them."""

from collections.abc import Callable

import numpy as np

from equimorph.data.brightest import remove_brightest
from equimorph.data.stars import remove_stars

# Of an (H, W, 3) image, its arcsec per px and its random stream.
Filter = Callable[[np.ndarray, float, np.random.Generator], np.ndarray]

SEEING = "seeing"
FILTERS: dict[str, Filter] = {
    SEEING: remove_stars,
    "brightest": lambda image, pixel_scale, rng: remove_brightest(image),
}
