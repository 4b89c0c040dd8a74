"""Rotation by splines, about the exact centre; what the frame does not cover."""

import numpy as np
import pytest

from equimorph.robustness.splines import rotate_planes, uncovered


@pytest.mark.parametrize("size", [8, 9])
def test_a_quarter_turn_is_that_of_numpy(size):
    planes = np.random.default_rng(0).random((2, size, size)).astype(np.float32)
    rotated = rotate_planes(planes, 90)
    assert rotated.dtype == np.float32
    np.testing.assert_allclose(rotated, np.rot90(planes, 1, (1, 2)), atol=1e-5)


def test_the_frame_covers_all_but_the_corners():
    assert not uncovered(9, 90).any()
    octagon = np.abs(np.indices((9, 9)) - 4).sum(axis=0) > 4 * np.sqrt(2)
    np.testing.assert_array_equal(uncovered(9, 45), octagon)
