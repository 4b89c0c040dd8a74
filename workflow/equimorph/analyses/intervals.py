"""Intervals of means over images, for numbers that are no accuracies."""

import numpy as np
from numpy.typing import NDArray
from scipy.stats import bootstrap


def mean_interval(values: NDArray, draws: int, seed: int) -> list[float] | None:
    """Return the 95 % percentile interval of a mean over images; None for fewer than two.

    Args:
        values: one number per image.
        draws: bootstrap resamples.
        seed: their seed.
    """
    if len(values) < 2:
        return None
    result = bootstrap(
        (values,),
        np.mean,
        n_resamples=draws,
        method="percentile",
        rng=np.random.default_rng(seed),
    )
    return [float(bound) for bound in result.confidence_interval]


def reflected_interval(estimate: float, resampled: NDArray) -> list[float]:
    """Return the 95 % basic bootstrap interval of a share (Davison and Hinkley 1997, eq. 5.6).

    Resamples of a calibration error are larger than the estimate by as much as the estimate is
    larger than the truth: percentiles of them would shift the interval to the wrong side.

    Args:
        estimate: the metric of the images as they are, from 0 to 1.
        resampled: the metric of each resample.
    """
    low, high = 2 * estimate - np.quantile(resampled, [0.975, 0.025])
    return [float(np.clip(bound, 0, 1)) for bound in (low, high)]
