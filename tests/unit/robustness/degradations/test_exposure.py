"""Exposure: the noise of a share of the time."""

import numpy as np
import pytest

from equimorph.robustness.degrade import degrade
from tests.unit.robustness.images import flat, smooth_images

SPEC = {"kind": "exposure", "seed": 3, "gain": 2.7}


@pytest.mark.parametrize("share", [0.5, 0.1])
def test_noise_is_that_of_the_shorter_exposure(share):
    noisy = degrade(flat(60), np.arange(4), share=share, **SPEC).astype(float)
    # With t of the time the variance is I / (gain t), and I / gain is in the image already.
    assert noisy.var() == pytest.approx(60 / 2.7 * (1 / share - 1), rel=0.02)
    assert noisy.mean() == pytest.approx(60, abs=0.2)


def test_a_quarter_of_the_time_is_half_of_the_signal_to_noise():
    images, index = smooth_images(2, 33), np.arange(2)
    half = degrade(images, index, kind="noise", formula="physical", level=0.5, seed=3, gain=2.7)
    np.testing.assert_array_equal(degrade(images, index, share=0.25, **SPEC), half)


def test_the_whole_exposure():
    images = smooth_images(1, 33)
    np.testing.assert_array_equal(degrade(images, np.array([0]), share=1, **SPEC), images)
