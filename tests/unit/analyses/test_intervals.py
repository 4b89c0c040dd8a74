"""Intervals of means."""

import numpy as np
import pytest

from equimorph.analyses.intervals import mean_interval


def test_as_wide_as_the_standard_error_says():
    values = np.random.default_rng(0).normal(5, 2, 400)
    low, high = mean_interval(values, 2000, 0)
    error = values.std() / 20
    assert [low, high] == pytest.approx(values.mean() + np.array([-1.96, 1.96]) * error, abs=0.02)


def test_one_image_has_none():
    assert mean_interval(np.array([1.0]), 100, 0) is None
    assert mean_interval(np.array([1.0, 1.0]), 100, 0) == [1.0, 1.0]
