"""A white pixel: one, at any place."""

import numpy as np

from equimorph.robustness.degrade import degrade
from tests.unit.robustness.images import flat


def test_one_pixel_is_white_in_all_channels():
    images = flat(40, n=400, size=20)
    changed = degrade(images, np.arange(400), kind="white_pixel", seed=3)
    white = (changed == 255).all(axis=3)
    assert (white.sum(axis=(1, 2)) == 1).all()
    assert (changed[~white] == 40).all()


def test_it_lies_anywhere_with_equal_probability():
    changed = degrade(flat(0, n=4000, size=4), np.arange(4000), kind="white_pixel", seed=3)
    counts = (changed[..., 0] == 255).sum(axis=0)
    # 250 in each of 16 places; chi-squared with 15 degrees of freedom is below 37.7 in 99.9 %.
    assert ((counts - 250) ** 2 / 250).sum() < 37.7
