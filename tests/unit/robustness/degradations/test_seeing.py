"""Seeing: a Gaussian of the right width on the sky, whatever the size of the pixels."""

import numpy as np
import pytest

from equimorph.robustness.degradations.seeing import blur
from equimorph.robustness.degrade import degrade
from tests.unit.robustness.images import flat, smooth_images


def width(image):
    """Full width at half maximum of a spot, from its second moment, in px."""
    weights = image[..., 0].astype(float)
    axis = np.arange(len(image)) - (len(image) - 1) / 2
    variance = (weights.sum(0) * axis**2).sum() / weights.sum()
    return 2.3548 * np.sqrt(variance)


def spot(size, fwhm):
    axis = np.arange(size) - (size - 1) / 2
    radius = axis[:, None] ** 2 + axis[None, :] ** 2
    values = 250 * np.exp(-4 * np.log(2) * radius / fwhm**2)
    return np.repeat(np.rint(values)[..., None], 3, axis=2).astype(np.uint8)


@pytest.mark.parametrize("size", [64, 129])
def test_widths_add_in_quadrature(size):
    pixels = size / 67.1  # per arcsec
    blurred = degrade(spot(size, 5 * pixels)[None], np.array([0]), kind="seeing", fwhm=4.0)[0]
    assert width(blurred) == pytest.approx(np.hypot(5, 4) * pixels, rel=0.03)


def test_another_field():
    images = smooth_images(1, 48)
    half = degrade(images, np.array([0]), kind="seeing", fwhm=2.0, field=33.55)
    np.testing.assert_array_equal(
        half, degrade(images, np.array([0]), kind="seeing", fwhm=4.0, field=67.1)
    )


def test_no_preferred_direction_and_flux_is_kept():
    images = smooth_images(2, 65)
    spec = {"kind": "seeing", "fwhm": 5.0}
    blurred = degrade(images, np.arange(2), **spec).astype(int)
    rotated = degrade(np.rot90(images, axes=(1, 2)), np.arange(2), **spec)
    assert np.abs(np.rot90(blurred, axes=(1, 2)) - rotated).max() <= 1
    np.testing.assert_array_equal(degrade(flat(77), np.arange(4), **spec), flat(77))


def test_none_at_zero():
    image = smooth_images(1, 33)[0]
    np.testing.assert_array_equal(blur(image, 0), image)
