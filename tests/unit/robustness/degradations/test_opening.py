"""Opening: small things go, large ones stay."""

import numpy as np

from equimorph.robustness.degrade import degrade
from tests.unit.robustness.images import flat, smooth_images


def opened(images, radius=3):
    return degrade(images, np.arange(len(images)), kind="opening", radius=radius)


def test_a_star_goes_and_a_galaxy_stays():
    images = flat(20, n=1, size=65)
    star, galaxy = images.copy(), images.copy()
    star[0, 10:14, 10:14] = 200  # narrower than the disc
    axis = np.arange(65) - 32
    disc = axis[:, None] ** 2 + axis[None, :] ** 2 <= 8**2
    galaxy[0, disc] = 200
    np.testing.assert_array_equal(opened(star), images)
    kept = opened(galaxy)[0, ..., 0] == 200
    assert kept.sum() > 0.95 * disc.sum() and not kept[~disc].any()


def test_nothing_brightens_and_twice_is_once():
    images = smooth_images(2, 48)
    once = opened(images)
    assert (once <= images).all()
    np.testing.assert_array_equal(opened(once), once)
    np.testing.assert_array_equal(
        opened(np.rot90(images, axes=(1, 2))), np.rot90(once, axes=(1, 2))
    )


def test_channels_are_opened_by_themselves():
    images = flat(20, n=1, size=33)
    images[0, 5:7, 5:7, 1] = 99
    assert (opened(images)[..., 1] == 20).all()
