"""The temperature: against scipy's general minimiser and scikit-learn's logistic regression."""

import numpy as np
import pytest
from scipy.optimize import minimize
from sklearn.linear_model import LogisticRegression

from equimorph.errors import InputError
from equimorph.evaluation.metrics import expected_calibration_error
from equimorph.evaluation.probabilities import probabilities
from equimorph.evaluation.temperature import (
    calibrated,
    fit_temperature,
    negative_log_likelihood,
)


def drawn(temperature, count=4000, classes=5, seed=0):
    """Logits that are too large by a factor, and labels drawn from the true probabilities."""
    draw = np.random.default_rng(seed)
    true = draw.normal(0, 2, (count, classes))
    labels = np.array([draw.choice(classes, p=p) for p in probabilities(true)])
    return true * temperature, labels


@pytest.mark.parametrize("temperature", [0.3, 1.0, 2.5])
def test_the_factor_that_logits_are_too_large_by_is_found(temperature):
    logits, labels = drawn(temperature)
    assert fit_temperature(logits, labels) == pytest.approx(temperature, rel=0.05)


def test_it_is_the_minimum_that_a_general_minimiser_finds():
    logits, labels = drawn(1.7, count=300, seed=1)

    def loss(log_temperature):
        return negative_log_likelihood(logits / np.exp(log_temperature[0]), labels)

    found = minimize(loss, [0.0], method="Nelder-Mead", options={"xatol": 1e-10, "fatol": 1e-14})
    assert fit_temperature(logits, labels) == pytest.approx(np.exp(found.x[0]), rel=1e-6)


def test_with_two_classes_it_is_logistic_regression_on_the_difference_of_the_logits():
    logits, labels = drawn(1.7, count=500, classes=2, seed=2)
    difference = (logits[:, 1] - logits[:, 0])[:, None]
    model = LogisticRegression(C=np.inf, fit_intercept=False, tol=1e-10).fit(difference, labels)
    assert fit_temperature(logits, labels) == pytest.approx(1 / model.coef_[0, 0], rel=1e-5)


def test_calibration_lowers_the_ece_and_keeps_every_class():
    logits, labels = drawn(3.0)
    after = calibrated(logits, fit_temperature(logits, labels))
    assert expected_calibration_error(probabilities(logits), labels) > 0.1
    assert expected_calibration_error(after, labels) < 0.03
    assert np.array_equal(after.argmax(1), logits.argmax(1))
    assert np.allclose(after.sum(1), 1)


def test_where_every_label_is_right_or_wrong_the_bounds_hold():
    logits = np.eye(3)[[0, 1, 2, 0]]
    assert 0.01 <= fit_temperature(logits, logits.argmax(1)) < 0.03  # where the loss has become 0
    assert fit_temperature(logits, (logits.argmax(1) + 1) % 3) == pytest.approx(100, rel=1e-3)


def test_what_does_not_fit_is_refused():
    with pytest.raises(InputError, match="labels run from 0 to 3; allowed are 0 to 2"):
        fit_temperature(np.zeros((2, 3)), np.array([0, 3]))
    with pytest.raises(InputError, match="NaN or infinite"):
        fit_temperature(np.full((2, 3), np.nan), np.array([0, 1]))
    with pytest.raises(InputError, match="temperature 0: allowed are numbers above 0"):
        calibrated(np.zeros((2, 3)), 0)
