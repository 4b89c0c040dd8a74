"""Attacks on some victims: put together, and put into the images."""

import numpy as np

from equimorph.robustness.attacks import Attacks


def attacks(count, first=0):
    numbers = np.arange(first, first + count)
    colour = np.repeat(numbers[:, None], 3, axis=1).astype(np.float32)
    return Attacks(numbers % 2 == 0, *([numbers] * 2), colour, *([numbers] * 5))


def test_joined_in_order():
    joined = Attacks.joined([attacks(2), attacks(3, first=2)])
    for name, values in attacks(5).arrays().items():
        np.testing.assert_array_equal(getattr(joined, name), values)


def test_no_victims():
    none = Attacks.joined([])
    assert none.success.dtype == bool and none.success.sum() == 0
    assert none.perturbed(np.zeros((0, 3, 4, 4))).shape == (0, 3, 4, 4)


def test_one_pixel_changes_in_each_image():
    images = np.full((3, 3, 4, 4), 9, np.uint8)
    changed = attacks(3).perturbed(images)
    for number in range(3):
        assert (changed[number, :, number, number] == number).all()
        assert (changed[number] != images[number]).sum() == 3
    assert (images == 9).all()
