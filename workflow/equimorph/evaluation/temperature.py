"""Calibration by one temperature, fitted on images that the network was not trained on."""

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize_scalar
from scipy.special import log_softmax

from equimorph.errors import InputError
from equimorph.evaluation.probabilities import check_predictions, probabilities

# Beyond these a network is certain of nothing, or of everything: no temperature would help it.
LOWEST, HIGHEST = 0.01, 100.0


def fit_temperature(logits: NDArray, labels: NDArray) -> float:
    """Return the temperature whose probabilities, softmax(logits / T), have the least NLL.

    The negative log-likelihood is convex in 1 / T, so that its minimum is the only one.

    Source: Guo et al. 2017, On Calibration of Modern Neural Networks, section 4.2.

    Args:
        logits: (n, C) of validation images.
        labels: (n,) their true classes.

    Returns:
        T, from `LOWEST` to `HIGHEST`.

    Raises:
        InputError: shapes, labels or values that do not fit.
    """
    logits, labels = np.asarray(logits, np.float64), np.asarray(labels)
    check_predictions(logits, labels, logits.shape[-1])
    bounds = -np.log(HIGHEST), -np.log(LOWEST)
    found = minimize_scalar(
        lambda log_inverse: negative_log_likelihood(logits * np.exp(log_inverse), labels),
        bounds=bounds,
        method="bounded",
        options={"xatol": 1e-9},
    )
    return float(np.exp(-found.x))


def negative_log_likelihood(logits: NDArray, labels: NDArray) -> float:
    """Return the mean cross-entropy of logits (n, C) and true classes (n,), in nats."""
    return -float(log_softmax(logits, axis=1)[np.arange(len(labels)), labels].mean())


def calibrated(logits: NDArray, temperature: float) -> NDArray[np.float64]:
    """Return the probabilities (n, C) at a temperature, in double precision.

    Raises:
        InputError: the temperature is not a number above 0.
    """
    if not 0 < temperature < np.inf:
        raise InputError(f"temperature {temperature}: allowed are numbers above 0.")
    return probabilities(np.asarray(logits, np.float64) / temperature)
