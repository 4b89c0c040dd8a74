"""Rotation: exact by quarters, else resampled once."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from equimorph.robustness.degrade import degrade
from tests.unit.robustness.images import ROTATION, flat, smooth_images


def circle(size, margin=0.0):
    """Mark the pixels whose centre is in the inscribed circle, less a margin."""
    axis = np.arange(size) - (size - 1) / 2
    return np.hypot(axis[:, None], axis) <= (size - 1) / 2 - margin


@settings(max_examples=20, deadline=None)
@given(st.integers(-9, 9), st.sampled_from([16, 17]))
def test_multiples_of_90_degrees_only_move_pixels(quarters, size):
    images = np.random.default_rng(0).integers(0, 256, (2, size, size, 3), dtype=np.uint8)
    rotated = degrade(images, np.arange(2), kind="rotation", angle=90 * quarters)
    assert np.array_equal(rotated, np.rot90(images, quarters, axes=(1, 2)))


def test_four_quarters_are_nothing():
    images = rotated = smooth_images(2, 32)
    for _ in range(4):
        rotated = degrade(rotated, np.arange(2), kind="rotation", angle=90.0)
    assert np.array_equal(rotated, images)


@pytest.mark.parametrize("size", [64, 65])
@pytest.mark.parametrize("angle", [0, 90, 180, 270])
def test_interpolation_joins_the_exact_rotations(size, angle):
    # An angle next to a multiple of 90 goes through the splines: same centre, same direction.
    images = smooth_images(2, size)
    near = degrade(images, np.arange(2), kind="rotation", angle=angle + 1e-7)
    exact = np.rot90(images, angle // 90, axes=(1, 2))
    assert np.array_equal(near[:, circle(size)], exact[:, circle(size)])


@pytest.mark.parametrize("size", [64, 65])
def test_a_radially_symmetric_image_stays(size):
    axis = np.arange(size) - (size - 1) / 2
    profile = 250 * np.exp(-(axis[:, None] ** 2 + axis**2) / (2 * (size / 6) ** 2))
    images = np.repeat(np.rint(profile)[None, ..., None], 3, axis=-1).astype(np.uint8)
    for index in range(5):
        rotated = degrade(images, np.array([index]), **ROTATION)
        difference = np.abs(rotated.astype(int) - images)[:, circle(size)]
        assert difference.max() <= 2


def test_there_and_back_is_nearly_the_image():
    images = smooth_images(2, 96)
    there = degrade(images, np.arange(2), kind="rotation", angle=33.0)
    back = degrade(there, np.arange(2), kind="rotation", angle=-33.0)
    inside = circle(96, margin=3)
    assert np.abs(back.astype(int) - images)[:, inside].max() <= 3
    assert np.abs(there.astype(int) - images)[:, inside].max() > 50


@pytest.mark.parametrize("size", [48, 49])
def test_no_pixel_in_the_circle_is_invented(size):
    # On a constant image any fill that reaches into the circle shows.
    images = flat(200, n=8, size=size)
    rotated = degrade(images, np.arange(8), **ROTATION)
    assert (rotated[:, circle(size)] == 200).all()
    corner = rotated[:, [0, 0, -1, -1], [0, -1, 0, -1]]
    assert (corner == 0).all()


def test_rotation_keeps_mean_and_variance_in_the_circle_and_hardly_clips():
    images = smooth_images(8, 128)
    rotated = degrade(images, np.arange(8), **ROTATION)
    inside = circle(128)
    before, after = images[:, inside].astype(float), rotated[:, inside].astype(float)
    assert np.abs(after.mean(axis=(1, 2)) - before.mean(axis=(1, 2))).max() < 0.25
    assert after.std(axis=1) == pytest.approx(before.std(axis=1), rel=0.01)
    assert ((after == 0) | (after == 255)).mean() < 1e-4


def test_random_angles_are_uniform():
    # A bright spot on the x-axis: where it lands tells the angle.
    image = np.zeros((1, 65, 65, 3), np.uint8)
    image[0, 31:34, 55:58] = 255
    rotated = degrade(np.repeat(image, 400, axis=0), np.arange(400), **ROTATION)[..., 0] / 255.0
    axis = np.arange(65) - 32
    x, y = (rotated * axis).sum(axis=(1, 2)), -(rotated * axis[:, None]).sum(axis=(1, 2))
    angle = np.degrees(np.arctan2(y, x)) % 360
    expected = np.random.default_rng([7, 0]).uniform(0, 360)
    assert angle[0] == pytest.approx(expected, abs=0.5)
    counts, _ = np.histogram(angle, bins=8, range=(0, 360))
    assert ((counts - 50) ** 2 / 50).sum() < 24.3  # chi-squared of 7 degrees, 0.1 %
