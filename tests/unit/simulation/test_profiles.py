"""Light profiles: a spiral's handedness, and the light within an effective radius."""

import numpy as np
import pytest

from equimorph.simulation.profiles import sersic, spiral_ridge


def test_both_windings_occur():
    """The same arms with opposite pitch are mirror images."""
    axis = np.linspace(-8, 8, 41)
    x, y = np.meshgrid(axis, axis)
    radius, azimuth = np.hypot(x, y), np.arctan2(y, x)
    left = spiral_ridge(radius, azimuth, 2, 0.3, 2.0, 2.0)
    right = spiral_ridge(radius, azimuth, 2, -0.3, 2.0, 2.0)
    assert np.allclose(left, right[::-1], atol=1e-6)
    assert not np.allclose(left, right, atol=0.1)


def test_half_of_a_sersic_profile_lies_within_its_effective_radius():
    axis = np.arange(-60, 60, 0.1) + 0.05
    radius = np.hypot(axis[:, None], axis)
    for n in (0.7, 1.0, 2.5):
        light = sersic(radius, 3.0, n)
        assert light[radius < 3].sum() / light.sum() == pytest.approx(0.5, abs=0.01)
