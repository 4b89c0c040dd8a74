"""Logits and the class probabilities that they stand for."""

import numpy as np
from numpy.typing import NDArray
from scipy.special import softmax

from equimorph.errors import InputError


def check_predictions(logits: NDArray, labels: NDArray, n_classes: int) -> None:
    """Check that logits and labels belong together.

    Args:
        logits: finite numbers, shape (n, n_classes), n > 0.
        labels: integers in 0..n_classes - 1, shape (n,).
        n_classes: number of classes.

    Raises:
        InputError: they do not.
    """
    if logits.ndim != 2 or logits.shape[1] != n_classes or not len(logits):
        raise InputError(
            f"logits have shape {logits.shape}; allowed is (images, {n_classes}) with at least "
            "one image."
        )
    if labels.shape != logits.shape[:1]:
        raise InputError(f"{len(logits)} rows of logits but labels of shape {labels.shape}.")
    if not np.isfinite(logits).all():
        raise InputError("the logits hold NaN or infinite values; they must be finite.")
    if labels.min() < 0 or labels.max() >= n_classes:
        raise InputError(
            f"labels run from {labels.min()} to {labels.max()}; allowed are 0 to {n_classes - 1}."
        )


def probabilities(logits: NDArray) -> NDArray[np.float64]:
    """Return the softmax of logits (n, C), in double precision."""
    return softmax(np.asarray(logits, dtype=np.float64), axis=1)
