"""Pixel values: their mean, and rounding to whole ones."""

import numpy as np
import pytest

from equimorph.robustness.pixels import mean_value, to_uint8


@pytest.mark.parametrize("count", [1, 256, 600])
def test_the_mean_is_exact_whatever_the_number_of_images(count):
    images = np.random.default_rng(0).integers(0, 256, (count, 5, 5, 3), dtype=np.uint8)
    assert mean_value(images) == images.sum(dtype=np.int64) / images.size


def test_values_are_rounded_and_kept_within_their_range():
    values = np.array([-3.0, 0.4, 0.6, 254.4, 254.6, 300.0])
    assert to_uint8(values).tolist() == [0, 0, 1, 254, 255, 255]
    assert to_uint8(values).dtype == np.uint8
