"""Calibration before and after: a network whose temperature is known, and classes by themselves."""

import numpy as np
import pytest

from equimorph.analyses.calibration import calibration_measures, classwise_errors
from equimorph.evaluation.metrics import expected_calibration_error
from equimorph.evaluation.probabilities import probabilities

CLASSES = ["a", "b", "c"]


def answers(count, temperature, seed):
    """Logits whose probabilities are true ones, after division by the temperature."""
    generator = np.random.default_rng(seed)
    logits = generator.normal(size=(count, 3)) * 1.5
    truth = probabilities(logits)
    labels = (truth.cumsum(axis=1) > generator.random((count, 1))).argmax(axis=1)
    return temperature * logits, labels


def test_an_overconfident_network_is_cooled():
    validation = [answers(6000, 3, seed) for seed in (0, 1)]
    test = [answers(6000, 3, seed) for seed in (2, 3)]
    found = calibration_measures(validation, test, CLASSES)
    assert found["temperature"]["mean"] == pytest.approx(3, rel=0.06)
    assert found["temperature"]["n"] == 2
    before, after = found["before"], found["after"]
    assert before["ece"]["mean"] > 0.15 and after["ece"]["mean"] < 0.03
    assert after["classwise_ece"]["mean"] < 0.3 * before["classwise_ece"]["mean"]
    assert after["nll"]["mean"] < before["nll"]["mean"]
    assert after["brier"]["mean"] < before["brier"]["mean"]
    whole = expected_calibration_error(probabilities(test[0][0]), test[0][1])
    other = expected_calibration_error(probabilities(test[1][0]), test[1][1])
    assert before["ece"]["mean"] == pytest.approx((whole + other) / 2)
    assert sum(row["count"] for row in after["reliability"]) == 12_000
    assert list(after["classwise"]) == CLASSES
    assert np.mean(list(after["classwise"].values())) == pytest.approx(
        after["classwise_ece"]["mean"]
    )


def test_each_class_has_its_own_error():
    probability = np.array([[0.9, 0.1, 0.0], [0.9, 0.1, 0.0], [0.9, 0.1, 0.0], [0.9, 0.1, 0.0]])
    errors = classwise_errors(probability, np.array([0, 0, 2, 2]))
    # Said 90, 10, 0 per cent; true are 50, 0, 50.
    np.testing.assert_allclose(errors, [0.4, 0.1, 0.5])


def test_opposite_errors_in_two_bins_do_not_cancel():
    probability = np.array([[0.9, 0.1], [0.3, 0.7]])
    np.testing.assert_allclose(classwise_errors(probability, np.array([1, 0])), [0.8, 0.8])
