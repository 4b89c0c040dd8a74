"""How sure a measure is: spread over seeds, bootstrap over images, paired tests.

Two kinds of chance are kept apart. The standard deviation over seeds says how much a training
varies; the bootstrap over test images says how much another test set of this size would change
the mean over seeds. Neither contains the other.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.stats import binomtest

from equimorph.errors import InputError

_BATCH = 256  # resamples drawn at once: 256 x 3,548 images are 7 MB


def mean_sd(values: list[float]) -> dict[str, Any]:
    """Return mean, sample standard deviation (ddof = 1; None for one value) and count."""
    array = np.asarray(values, dtype=np.float64)
    return {
        "mean": float(array.mean()),
        "sd": float(array.std(ddof=1)) if len(array) > 1 else None,
        "n": len(array),
    }


def bootstrap_interval(
    scores: NDArray, draws: int, generator: np.random.Generator, level: float = 0.95
) -> list[float]:
    """Return the percentile bootstrap interval of the mean of `scores`.

    Args:
        scores: one number per test image, shape (n,). With several seeds it is the image's mean
            over seeds, so that each resample of images serves all seeds at once.
        draws: number of resamples.
        generator: source of the resamples; equal generators give equal resamples, which makes
            the intervals of several models comparable.
        level: coverage, between 0 and 1.

    Returns:
        [lower, upper].
    """
    scores = np.asarray(scores, dtype=np.float64)
    means = np.empty(draws)
    for start in range(0, draws, _BATCH):
        stop = min(start + _BATCH, draws)
        rows = generator.integers(0, len(scores), size=(stop - start, len(scores)))
        means[start:stop] = scores[rows].mean(axis=1)
    tail = (1 - level) / 2
    return [float(bound) for bound in np.quantile(means, [tail, 1 - tail])]


def paired_difference(
    correct_a: NDArray, correct_b: NDArray, draws: int, generator: np.random.Generator
) -> dict[str, Any]:
    """Return the difference in mean accuracy, a minus b, with its paired bootstrap interval.

    Seeds are averaged per image first; then images are resampled jointly for both models, which
    is the bootstrap of the per-image differences.

    Args:
        correct_a: whether model a is right, shape (seeds of a, n).
        correct_b: the same for model b, shape (seeds of b, n).
        draws: number of resamples.
        generator: source of the resamples.
    """
    if correct_a.shape[1] != correct_b.shape[1]:
        raise InputError(
            f"a paired comparison needs the same images: {correct_a.shape[1]} and "
            f"{correct_b.shape[1]} were given."
        )
    difference = correct_a.mean(axis=0) - correct_b.mean(axis=0)
    return {
        "difference": float(difference.mean()),
        "ci95": bootstrap_interval(difference, draws, generator),
    }


def mcnemar(correct_a: NDArray, correct_b: NDArray) -> float:
    """Return the two-sided exact McNemar p-value for two classifiers on the same images.

    Only images on which exactly one of the two is right count; under the null hypothesis either
    is equally likely to be it (McNemar 1947, exact binomial form). The test wants one answer per
    image and model. Pooling the seeds would count every image several times, and a single seed
    would waste the others, so callers pass the answers of each model's seed ensemble (the argmax
    of the class probabilities averaged over seeds).

    Args:
        correct_a: whether a is right, booleans of shape (n,).
        correct_b: whether b is right, booleans of shape (n,).
    """
    only_a = int(np.sum(correct_a & ~correct_b))
    only_b = int(np.sum(correct_b & ~correct_a))
    if only_a + only_b == 0:
        return 1.0
    return float(binomtest(only_a, only_a + only_b, 0.5).pvalue)


def holm(p_values: list[float]) -> list[float]:
    """Return p-values corrected for their number by Holm's (1979) step-down procedure."""
    p = np.asarray(p_values, dtype=np.float64)
    order = np.argsort(p, kind="stable")
    stepped = np.maximum.accumulate(p[order] * np.arange(len(p), 0, -1))
    corrected = np.empty_like(p)
    corrected[order] = np.minimum(stepped, 1.0)
    return corrected.tolist()
