"""Calibration before and after temperature scaling, class by class."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from equimorph.evaluation.metrics import (
    CALIBRATION_BINS,
    brier_score,
    expected_calibration_error,
    reliability_bins,
)
from equimorph.evaluation.statistics import mean_sd
from equimorph.evaluation.temperature import calibrated, fit_temperature, negative_log_likelihood

Answers = tuple[NDArray, NDArray]  # logits (n, C) and labels (n,)


def classwise_errors(
    probability: NDArray, labels: NDArray, bins: int = CALIBRATION_BINS
) -> NDArray[np.float64]:
    """Return the calibration error of each class's own probability, (C,).

    Where the ECE looks at the top class alone, this asks of every class whether a stated 10 % comes
    true in 10 % of cases: the mean over equal-width bins of |share of the class - mean
    probability|, weighted by their counts. Its mean over classes is the class-wise ECE.

    Source: Kull et al. 2019, Beyond temperature scaling, arXiv:1910.12656, section 2.

    Args:
        probability: class probabilities, shape (n, C).
        labels: true classes, shape (n,).
        bins: number of bins.
    """
    count, classes = probability.shape
    # As in `reliability_bins`: rounded first, the upper edge belongs to the bin.
    which = np.ceil(np.round(probability * bins, 9)).astype(int).clip(1, bins) - 1
    surplus = (labels[:, None] == np.arange(classes)) - probability
    gaps = np.zeros((bins, classes))
    np.add.at(gaps, (which, np.arange(classes)), surplus)
    return np.abs(gaps).sum(axis=0) / count


def calibration_measures(
    validation: Sequence[Answers], test: Sequence[Answers], classes: Sequence[str]
) -> dict[str, Any]:
    """Return one network's calibration before and after, over its seeds, ready for JSON.

    The temperature of each seed is fitted on the validation images; nothing is fitted on the test
    images. It changes no prediction.

    Args:
        validation: logits and labels of each seed.
        test: the same, in the order of the seeds.
        classes: class names in label order.

    Returns:
        temperature {mean, sd, n}; `before` and `after`: ece, classwise_ece, brier and nll as {mean,
        sd, n}, classwise (by class, mean over seeds) and reliability (bins of all seeds together).
    """
    temperatures = [fit_temperature(logits, labels) for logits, labels in validation]
    return {
        "temperature": mean_sd(temperatures),
        "before": _measured(test, [1.0] * len(test), classes),
        "after": _measured(test, temperatures, classes),
    }


def _measured(
    test: Sequence[Answers], temperatures: Sequence[float], classes: Sequence[str]
) -> dict[str, Any]:
    seeds = [
        (calibrated(logits, temperature), labels)
        for (logits, labels), temperature in zip(test, temperatures, strict=True)
    ]
    by_class = np.array([classwise_errors(*seed) for seed in seeds])
    return {
        "ece": mean_sd([expected_calibration_error(*seed) for seed in seeds]),
        "classwise_ece": mean_sd(by_class.mean(axis=1).tolist()),
        "brier": mean_sd([brier_score(*seed) for seed in seeds]),
        "nll": mean_sd(
            [
                negative_log_likelihood(logits / temperature, labels)
                for (logits, labels), temperature in zip(test, temperatures, strict=True)
            ]
        ),
        "classwise": dict(zip(classes, by_class.mean(axis=0).tolist(), strict=True)),
        "reliability": reliability_bins(
            np.concatenate([probability for probability, _ in seeds]),
            np.concatenate([labels for _, labels in seeds]),
        ),
    }
