"""Measures of galaxies whose light is known."""

import numpy as np
import pytest

from equimorph.data.photometry import half_light_radius, measure


def galaxy(size=129, sigma=9.0, sky=20.0, noise=2.0, colours=(120, 100, 60), seed=0):
    axis = np.arange(size) - (size - 1) / 2
    profile = np.exp(-(axis[:, None] ** 2 + axis[None, :] ** 2) / (2 * sigma**2))
    draws = np.random.default_rng(seed).normal(sky, noise, (size, size, 3))
    return np.clip(np.rint(draws + profile[..., None] * colours), 0, 255).astype(np.uint8)


def test_a_gaussians_half_light_radius():
    found = measure(galaxy(noise=0.0), 0.5)
    assert found.radius == pytest.approx(9 * np.sqrt(2 * np.log(2)) * 0.5, rel=0.05)


def test_signal_to_noise_goes_with_the_noise():
    faint, clear = (measure(galaxy(noise=noise), 1.0).signal_to_noise for noise in (6.0, 3.0))
    # Within the half-light radius the mean of the profile is 0.5 / ln 2 of its peak, 93.3; the
    # noise of the mean of three channels is smaller by the root of three.
    assert clear == pytest.approx(93.3 * 0.5 / np.log(2) / (3 / np.sqrt(3)), rel=0.1)
    assert clear / faint == pytest.approx(2, rel=0.1)


def test_the_colour_is_that_of_the_light_and_not_of_the_sky():
    assert measure(galaxy(), 1.0).colour == pytest.approx((120 - 60) / (120 + 60), abs=0.03)
    assert measure(galaxy(colours=(60, 80, 120)), 1.0).colour < -0.25
    assert measure(galaxy(sky=60), 1.0).colour == pytest.approx(1 / 3, abs=0.04)


def test_the_mean_is_that_of_all_pixels():
    image = galaxy()
    assert measure(image, 1.0).mean == pytest.approx(image.mean())


def test_a_blank_image_has_no_size():
    found = measure(np.full((33, 33, 3), 32, np.uint8), 1.0)
    assert np.isnan([found.signal_to_noise, found.radius, found.colour]).all() and found.mean == 32
    assert np.isnan(half_light_radius(np.zeros((3, 3)), np.ones((3, 3))))
