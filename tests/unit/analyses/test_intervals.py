"""Intervals of means."""

import numpy as np
import pytest

from equimorph.analyses.intervals import mean_interval, reflected_interval
from equimorph.analyses.weighted_metrics import weighted_ece


def test_as_wide_as_the_standard_error_says():
    values = np.random.default_rng(0).normal(5, 2, 400)
    low, high = mean_interval(values, 2000, 0)
    error = values.std() / 20
    assert [low, high] == pytest.approx(values.mean() + np.array([-1.96, 1.96]) * error, abs=0.02)


def test_one_image_has_none():
    assert mean_interval(np.array([1.0]), 100, 0) is None
    assert mean_interval(np.array([1.0, 1.0]), 100, 0) == [1.0, 1.0]


def test_a_reflected_interval_leans_to_the_side_of_the_truth():
    resampled = np.random.default_rng(0).normal(0.06, 0.005, 4000)  # of an estimate of 0.05
    low, high = reflected_interval(0.05, resampled)
    assert low == pytest.approx(0.04 - 0.0098, abs=5e-4)
    assert high == pytest.approx(0.04 + 0.0098, abs=5e-4)
    assert reflected_interval(0.001, resampled)[0] == 0


def test_the_interval_of_a_calibration_error_holds_the_truth():
    """A calibrated classifier of two classes, whose error is 0 but for chance."""
    rng, held = np.random.default_rng(1), 0
    for _ in range(40):
        confidence = rng.uniform(0.5, 1, 400)
        right = rng.random(400) < confidence - 0.06  # too sure by 6 points
        probability = np.stack([confidence, 1 - confidence], axis=1)
        label = np.where(right, 0, 1)
        weights = rng.multinomial(400, np.full(400, 1 / 400), 200)
        estimate = weighted_ece(probability, label, np.ones((1, 400)))[0]
        low, high = reflected_interval(estimate, weighted_ece(probability, label, weights))
        held += low <= 0.06 <= high
    assert held >= 34
