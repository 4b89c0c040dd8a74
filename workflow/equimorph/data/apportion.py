"""Whole numbers in given proportions."""

from collections.abc import Sequence

import numpy as np


def largest_remainder(total: int, shares: Sequence[float] | np.ndarray) -> np.ndarray:
    """Share `total` things out in whole numbers by the largest-remainder method.

    Args:
        total: number of things.
        shares: (K,) adding up to 1; of equal remainders the earlier gets more.

    Returns:
        (K,) int64, adding up to `total`.
    """
    exact = total * np.asarray(shares, np.float64)
    # 0.29 * 100 is 28.999999999999996: what floating point leaves is no remainder.
    whole = np.floor(exact + 1e-9).astype(np.int64)
    order = np.argsort(-np.round(exact - whole, 9), kind="stable")
    whole[order[: total - whole.sum()]] += 1
    return whole
