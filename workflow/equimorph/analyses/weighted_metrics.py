"""Metrics of many resamples at once: images with weights, as a bootstrap draws them."""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from equimorph.evaluation.metrics import CALIBRATION_BINS


def weighted_accuracy(probability: NDArray, label: NDArray, weights: NDArray) -> NDArray:
    """Return the accuracy of each resample.

    Args:
        probability: (n, C) class probabilities.
        label: (n,) true classes.
        weights: (B, n) how often each image is in each resample.

    Returns:
        (B,).
    """
    right = probability.argmax(axis=1) == label
    return weights @ right / weights.sum(axis=1)


def weighted_macro_f1(probability: NDArray, label: NDArray, weights: NDArray) -> NDArray:
    """Return the macro-F1 of each resample, over the classes that it has; as `metrics.macro_f1`."""
    classes = np.arange(probability.shape[1])
    said = (probability.argmax(axis=1)[:, None] == classes).astype(float)
    true = (label[:, None] == classes).astype(float)
    hits, claims, members = (weights @ each for each in (said * true, said, true))
    f1 = 2 * hits / np.maximum(claims + members, 1)
    return (f1 * (members > 0)).sum(axis=1) / (members > 0).sum(axis=1)


def weighted_ece(probability: NDArray, label: NDArray, weights: NDArray) -> NDArray:
    """Return the expected calibration error of each resample; as `metrics` has it."""
    confidence = probability.max(axis=1)
    bins = np.ceil(np.round(confidence * CALIBRATION_BINS, 9)).clip(1, CALIBRATION_BINS)
    surplus = (probability.argmax(axis=1) == label) - confidence
    gaps = np.where(bins[:, None] == np.arange(1, CALIBRATION_BINS + 1), surplus[:, None], 0.0)
    return np.abs(weights @ gaps).sum(axis=1) / weights.sum(axis=1)


WEIGHTED: dict[str, Callable[[NDArray, NDArray, NDArray], NDArray]] = {
    "accuracy": weighted_accuracy,
    "macro_f1": weighted_macro_f1,
    "ece": weighted_ece,
}
