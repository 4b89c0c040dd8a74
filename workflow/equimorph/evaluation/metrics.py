"""Metrics of one set of predictions: accuracy, F1, confusion matrix, calibration.

scikit-learn takes a second to import, and most that import this module do without: it is imported
where it is used.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from equimorph.evaluation.probabilities import check_predictions, probabilities

CALIBRATION_BINS = 15


def per_class_scores(
    labels: NDArray, predicted: NDArray, classes: list[str]
) -> dict[str, dict[str, float | None]]:
    """Return precision, recall and F1 of each class, by name in the order of `classes`.

    A class without a single true image has no recall, and its precision would say nothing about
    the class: all three are None. A class that is never predicted has precision and F1 of 0.
    """
    from sklearn.metrics import precision_recall_fscore_support

    numbers = range(len(classes))
    precision, recall, f1, support = precision_recall_fscore_support(
        labels, predicted, labels=numbers, average=None, zero_division=0
    )
    return {
        classes[k]: {
            "precision": float(precision[k]) if support[k] else None,
            "recall": float(recall[k]) if support[k] else None,
            "f1": float(f1[k]) if support[k] else None,
        }
        for k in numbers
    }


def accuracy(probability: NDArray, labels: NDArray) -> float:
    """Return the share of images whose most probable class is the true one."""
    return float((probability.argmax(axis=1) == labels).mean())


def macro_f1(probability: NDArray, labels: NDArray) -> float:
    """Return the mean F1 over the classes that occur in the labels."""
    names = [str(number) for number in range(probability.shape[1])]
    scores = per_class_scores(labels, probability.argmax(axis=1), names)
    return float(np.mean([score["f1"] for score in scores.values() if score["f1"] is not None]))


def reliability_bins(
    probability: NDArray, labels: NDArray, bins: int = CALIBRATION_BINS
) -> list[dict[str, Any]]:
    """Sort predictions into equal-width bins of their top probability.

    Bin m of M holds top probabilities in ((m - 1) / M, m / M] (Guo et al. 2017, section 2).

    Args:
        probability: class probabilities, shape (n, C).
        labels: true classes, shape (n,).
        bins: number of bins M.

    Returns:
        Per bin: low, high, count, and the mean confidence and accuracy (None in an empty bin).
    """
    confidence = probability.max(axis=1)
    correct = probability.argmax(axis=1) == labels
    # Rounded first: 3/15 * 15 must not become 3.0000000000000004 and move up one bin.
    which = np.ceil(np.round(confidence * bins, 9)).astype(int).clip(1, bins) - 1
    table = []
    for number in range(bins):
        inside = which == number
        count = int(inside.sum())
        table.append(
            {
                "low": number / bins,
                "high": (number + 1) / bins,
                "count": count,
                "confidence": float(confidence[inside].mean()) if count else None,
                "accuracy": float(correct[inside].mean()) if count else None,
            }
        )
    return table


def expected_calibration_error(
    probability: NDArray, labels: NDArray, bins: int = CALIBRATION_BINS
) -> float:
    """Return the ECE: the mean of |accuracy - confidence| over bins, weighted by their counts.

    Source: Guo et al. 2017, On Calibration of Modern Neural Networks, equation 3.
    """
    table = [row for row in reliability_bins(probability, labels, bins) if row["count"]]
    gaps = sum(row["count"] * abs(row["accuracy"] - row["confidence"]) for row in table)
    return float(gaps / len(labels))


def brier_score(probability: NDArray, labels: NDArray) -> float:
    """Return the multi-class Brier score, 0 (perfect) to 2 (certain and wrong).

    The squared differences from the one-hot truth are summed over classes and averaged over
    images (Brier 1950); not halved for two classes either.
    """
    from sklearn.metrics import brier_score_loss

    classes = range(probability.shape[1])
    return float(brier_score_loss(labels, probability, labels=classes, scale_by_half=False))


@dataclass(frozen=True)
class Metric:
    """A number that says what one set of predictions is worth.

    Attributes:
        of: computes it from class probabilities (n, C) and true classes (n,).
        label: its name in the report.
        in_per_cent: whether the report shows it in per cent.
    """

    of: Callable[[NDArray, NDArray], float]
    label: str
    in_per_cent: bool = False


METRICS = {
    "accuracy": Metric(accuracy, "accuracy", in_per_cent=True),
    "macro_f1": Metric(macro_f1, "macro-F1", in_per_cent=True),
    "ece": Metric(expected_calibration_error, "ECE"),
    "brier": Metric(brier_score, "Brier score"),
}


def measure(logits: NDArray, labels: NDArray, classes: list[str]) -> dict[str, Any]:
    """Return all metrics of one set of predictions, ready for JSON.

    Args:
        logits: shape (n, C).
        labels: true classes, shape (n,).
        classes: the C class names, in label order.

    Returns:
        each of `METRICS`, per_class (by name), confusion (rows are true classes).

    Raises:
        InputError: shapes, labels or values that do not fit.
    """
    from sklearn.metrics import confusion_matrix

    labels = np.asarray(labels)
    check_predictions(logits, labels, len(classes))
    probability = probabilities(logits)
    predicted = probability.argmax(axis=1)
    return {
        **{name: metric.of(probability, labels) for name, metric in METRICS.items()},
        "per_class": per_class_scores(labels, predicted, classes),
        "confusion": confusion_matrix(labels, predicted, labels=range(len(classes))).tolist(),
    }
