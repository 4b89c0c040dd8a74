"""Weights of classes in a loss, from their numbers of training images."""

import warnings
from collections.abc import Sequence

import torch

from equimorph.errors import InputError

CLASS_WEIGHTS = ("none", "inverse", "effective")


def class_weights(
    kind: str | Sequence[float],
    beta: float,
    labels: torch.Tensor,
    classes: int,
    normalise: bool = True,
) -> torch.Tensor | None:
    """Return the (classes,) weights; None for no weighting.

    Weights that the user gives are used as they are. Warns where beta is too small to tell the
    classes apart: the published 0.930867 gives all classes the same weight.

    Args:
        kind: one of `CLASS_WEIGHTS`, or one number per class.
        beta: parameter of `effective`: class c with n_c images weighs (1 - beta) / (1 - beta^n_c).
        labels: (N,) int64 of the training set.
        classes: number of classes.
        normalise: whether the weights of `inverse` and `effective` sum to the number of classes.

    Raises:
        InputError: the user's weights are not one per class, or a class has no training image.
    """
    if kind == "none":
        return None
    if not isinstance(kind, str):
        if len(kind) != classes:
            raise InputError(
                f"train.loss.class_weights: {len(kind)} numbers; allowed are "
                f"{', '.join(CLASS_WEIGHTS)}, and one number for each of the {classes} classes."
            )
        return torch.tensor(kind, dtype=torch.float32, device=labels.device)
    if kind not in CLASS_WEIGHTS:
        raise InputError(
            f"train.loss.class_weights {kind!r}: allowed are {', '.join(CLASS_WEIGHTS)}, and one "
            "number per class."
        )
    counts = torch.bincount(labels, minlength=classes).double()
    if counts.min() == 0:
        raise InputError(
            f"train.loss.class_weights {kind}: class {int(counts.argmin())} has no training image;"
            " allowed without is none."
        )
    # expm1 and log: 1 - beta^n without the cancellation of beta near 1.
    log_beta = torch.tensor(beta, dtype=torch.float64).log()
    effective = torch.expm1(counts * log_beta) / (beta - 1)
    weights = 1 / (counts if kind == "inverse" else effective)
    if kind == "effective" and _spread(weights) < 0.01 <= _spread(counts):
        warnings.warn(
            f"train.loss.beta {beta}: all classes weigh the same to within 1 %, although they"
            f" have {int(counts.min())} to {int(counts.max())} images; nearer 1 tells them apart.",
            stacklevel=2,
        )
    if normalise:
        weights = weights * classes / weights.sum()
    return weights.float()


def _spread(values: torch.Tensor) -> float:
    return float(values.max() / values.min() - 1)
