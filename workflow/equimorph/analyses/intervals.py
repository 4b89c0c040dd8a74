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
