"""Resolution: Pillow's resampling, down and back."""

import numpy as np
import pytest
import torch
from PIL import Image
from torch.nn.functional import interpolate

from equimorph.robustness.degrade import degrade
from tests.unit.robustness.images import RESOLUTION, flat, smooth_images


@pytest.mark.parametrize("size", [64, 65, 256])
@pytest.mark.parametrize("scale", [0.75, 0.5, 0.25])
def test_resolution_is_the_resampling_of_pillow(size, scale):
    image = smooth_images(1, size)[0]
    image[10:20, 5:30] = 255
    between = round(scale * size)
    expected = []
    for channel in np.moveaxis(image, -1, 0).astype(np.float32):
        small = Image.fromarray(channel).resize((between, between), Image.Resampling.BILINEAR)
        expected.append(np.asarray(small.resize((size, size), Image.Resampling.BILINEAR)))
    found = degrade(image[None], np.array([0]), kind="resolution", scale=scale)[0]
    assert np.abs(found - np.stack(expected, axis=-1)).max() <= 0.5 + 1e-3


@pytest.mark.parametrize("scale", [0.75, 0.5, 0.25, 0.01])
@pytest.mark.parametrize("size", [64, 65])
def test_resolution_has_no_preferred_direction(size, scale):
    images = smooth_images(2, size)
    images[:, 3:9, 20:50] = 255
    spec = {"kind": "resolution", "scale": scale}
    blurred = degrade(images, np.arange(2), **spec).astype(int)
    rotated = degrade(np.rot90(images, axes=(1, 2)), np.arange(2), **spec)
    reflected = degrade(images[:, :, ::-1], np.arange(2), **spec)
    # One level where a value lies between two.
    assert np.abs(np.rot90(blurred, axes=(1, 2)) - rotated).max() <= 1
    assert np.abs(blurred[:, :, ::-1] - reflected).max() <= 1


def test_resolution_keeps_the_mean_and_lowers_the_variance_step_by_step():
    images = np.random.default_rng(0).integers(0, 256, (2, 64, 64, 3), dtype=np.uint8)
    variance = [images.var()]
    for scale in (0.75, 0.5, 0.25):
        blurred = degrade(images, np.arange(2), kind="resolution", scale=scale)
        assert blurred.mean() == pytest.approx(images.mean(), abs=1)
        assert ((blurred == 0) | (blurred == 255)).mean() < 0.01
        variance.append(blurred.var())
    assert variance == sorted(variance, reverse=True)
    assert variance[1] < 0.6 * variance[0]
    assert np.array_equal(degrade(flat(7), np.arange(4), **RESOLUTION), flat(7))


@pytest.mark.parametrize("scale", [0.75, 0.5, 0.25])
def test_without_smoothing_it_is_the_resampling_of_torch(scale):
    image = smooth_images(1, 64)[0]
    image[10:20, 5:30] = 255
    planes = torch.from_numpy(np.moveaxis(image, -1, 0)[None].astype(np.float64))
    small = interpolate(planes, round(scale * 64), mode="bilinear", antialias=False)
    expected = interpolate(small, 64, mode="bilinear", antialias=False)[0].permute(1, 2, 0)
    spec = {"kind": "resolution", "scale": scale}
    found = degrade(image[None], np.array([0]), **spec, antialias=False)[0]
    assert np.abs(found - expected.numpy()).max() <= 0.5 + 1e-3
    smoothed = degrade(image[None], np.array([0]), **spec)[0]
    assert np.abs(found.astype(int) - smoothed).max() > 5
