"""Noise: as published, and that of a shorter exposure."""

import numpy as np
import pytest

from equimorph.robustness.degradations.noise import GALAXY10_GAIN
from equimorph.robustness.degrade import degrade
from equimorph.robustness.pixels import mean_value
from tests.unit.robustness.images import LEGACY, PHYSICAL, flat, smooth_images


@pytest.mark.parametrize("level", [0.25, 0.5, 0.75])
def test_legacy_noise_has_the_published_mean_variance_and_clipping(level):
    mean, background = 37.266, 30
    noisy = degrade(flat(background), np.arange(4), mean=mean, **{**LEGACY, "level": level})
    rate = mean / (1 - level) - mean
    assert rate == pytest.approx({0.25: 12.42, 0.5: 37.27, 0.75: 111.80}[level], abs=0.01)
    added = noisy.astype(float) - background
    n = added.size
    assert added.mean() == pytest.approx(rate, abs=5 * np.sqrt(rate / n))
    assert added.var() == pytest.approx(rate, rel=5 * np.sqrt(2.1 / n))
    assert (noisy == 255).mean() == 0
    # A bright area saturates: nothing wraps around.
    bright = degrade(flat(250), np.arange(4), mean=mean, **{**LEGACY, "level": 0.75})
    assert (bright == 255).all()


def test_legacy_noise_takes_the_mean_of_what_it_is_given():
    images = np.concatenate([flat(10), flat(50)])
    noisy = degrade(images, np.arange(8), **{**LEGACY, "level": 0.5}).astype(float)
    assert mean_value(images) == 30
    assert noisy[:4].mean() - 10 == pytest.approx(30, abs=0.1)
    assert noisy[4:].mean() - 50 == pytest.approx(30, abs=0.1)
    assert np.array_equal(noisy, degrade(images, np.arange(8), mean=30, **{**LEGACY, "level": 0.5}))


@pytest.mark.parametrize("grey", [5, 34, 60])
@pytest.mark.parametrize("level", [0.25, 0.5, 0.75])
def test_photon_noise_has_the_variance_of_the_shorter_exposure(level, grey):
    noisy = degrade(flat(grey), np.arange(4), **{**PHYSICAL, "level": level}).astype(float)
    k, s = GALAXY10_GAIN, 1 - level
    added = grey / k * (1 / s**2 - 1)
    # The signal-to-noise ratio with this on top of the image's own photon noise is s times its own.
    assert np.sqrt((grey / k) / (grey / k + added)) == pytest.approx(s)
    clipped = (noisy == 255).mean()
    assert clipped < {0.25: 1e-6, 0.5: 1e-3, 0.75: 5e-3}[level]
    assert noisy.mean() == pytest.approx(grey, abs=0.3)
    # Rounding adds 1/12; what saturates takes a few per cent off the widest.
    assert noisy.var() == pytest.approx(added, rel=0.02 if clipped < 1e-4 else 0.05)


def test_photon_noise_has_no_offset_and_grows_with_the_level():
    images = smooth_images(4, 64) // 3
    spread = []
    for level in (0.25, 0.5, 0.75):
        noisy = degrade(images, np.arange(4), **{**PHYSICAL, "level": level}).astype(float)
        assert noisy.mean() == pytest.approx(images.mean(), rel=0.01)
        spread.append((noisy - images).std())
    assert spread == pytest.approx(
        [np.sqrt(images.mean() / GALAXY10_GAIN * f) for f in (7 / 9, 3, 15)], rel=0.05
    )
    black = flat(0)
    assert np.array_equal(degrade(black, np.arange(4), **PHYSICAL), black)


def test_photon_noise_takes_another_gain():
    quiet = degrade(flat(40), np.arange(4), **PHYSICAL, gain=100)
    assert quiet.astype(float).var() == pytest.approx(40 / 100 * 3 + 1 / 12, rel=0.02)
