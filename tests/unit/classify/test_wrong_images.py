"""Images with known mistakes."""

import numpy as np

from equimorph.classify.wrong_images import other_layer, recompressed, twice_as_large
from equimorph.simulation.exposure import stretch


def galaxy(seed=0):
    """A round grey galaxy on an empty sky, and its fluxes."""
    axis = np.linspace(-1, 1, 33)
    light = 0.3 * np.exp(-8 * np.hypot(axis[:, None], axis[None, :]))
    fluxes = light * np.array([1.0, 0.8, 0.5])[:, None, None]
    return (255 * stretch(fluxes)).round().astype(np.uint8).transpose(1, 2, 0)[None]


def test_the_other_layer_keeps_the_sky_and_stretches_harder():
    image = galaxy()
    other = other_layer(image)
    assert np.abs(other[0, 0, 0].astype(int) - image[0, 0, 0]).max() <= 2
    ring = np.s_[0, 16, 24:28]
    assert (other[ring].mean(axis=0) > image[ring].mean(axis=0)).all()
    assert other.shape == image.shape and other.dtype == np.uint8


def test_twice_as_large_is_the_centre_enlarged():
    image = np.zeros((1, 32, 32, 3), np.uint8)
    image[0, 8:24, 8:24] = 200
    large = twice_as_large(image)
    assert (large == 200).all()


def test_recompression_changes_little_and_follows_its_seed():
    image = np.repeat(galaxy(), 3, axis=0)
    one, other = (recompressed(image, np.random.default_rng(s)) for s in (1, 1))
    assert np.array_equal(one, other)
    assert 0 < np.abs(one.astype(int) - image).mean() < 3
