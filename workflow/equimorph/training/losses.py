"""What training minimises: cross-entropy, and its weighted and focal variants."""

import warnings
from dataclasses import dataclass

import torch
from torch.nn.functional import cross_entropy, log_softmax, one_hot

from equimorph.errors import InputError

CLASS_WEIGHTS = ("none", "inverse", "effective")


@dataclass(frozen=True)
class Loss:
    """How much each class and each image weighs; the default is plain cross-entropy.

    Attributes:
        gamma: focus on images that are not yet recognised, (1 - p)^gamma (Lin et al. 2017).
        class_weights: `none`, `inverse` (1 / n_c), `effective` (Cui et al. 2019), or one number
            per class; n_c is the class's number of training images.
        beta: of `effective`: class c weighs (1 - beta) / (1 - beta^n_c).
        normalise: whether the weights of `inverse` and `effective` are scaled to sum to the number
            of classes. S2's are not: with its beta the loss is 14 times smaller, and so is the
            gradient, which a clipped norm and weight decay feel.
    """

    gamma: float = 0.0
    class_weights: str | tuple[float, ...] = "none"
    beta: float = 0.999
    normalise: bool = True


class Criterion:
    """The loss of a batch, for labels or for probabilities as targets."""

    def __init__(self, loss: Loss, smoothing: float, labels: torch.Tensor, classes: int):
        """Weigh the classes.

        Args:
            loss: gamma and class weights.
            smoothing: probability mass spread over all classes.
            labels: (N,) int64 of the training set, on the device of the batches.
            classes: number of logits.
        """
        self.gamma = loss.gamma
        self.smoothing = smoothing
        self.weights = class_weights(loss, labels, classes)

    def __call__(self, logits: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
        """Return the mean loss of (B, classes) logits for (B,) labels or (B, classes) targets."""
        if self.weights is None and self.gamma == 0:
            return cross_entropy(logits, targets, label_smoothing=self.smoothing)
        classes = logits.shape[1]
        if targets.ndim == 1:
            targets = one_hot(targets, classes).to(logits.dtype)
        targets = (1 - self.smoothing) * targets + self.smoothing / classes
        return focal_loss(logits, targets, self.gamma, self.weights)


def focal_loss(
    logits: torch.Tensor,
    targets: torch.Tensor,
    gamma: float,
    weights: torch.Tensor | None = None,
) -> torch.Tensor:
    """Return the mean over images of -sum_c w_c t_c (1 - p_c)^gamma log p_c.

    The mean is over images, not over weights as in torch's weighted cross-entropy: a batch of rare
    classes then counts for more, as in Cui et al. 2019.

    Args:
        logits: (B, classes).
        targets: (B, classes) probabilities.
        gamma: at least 0; 0 is cross-entropy.
        weights: (classes,), or None for ones.
    """
    log_p = log_softmax(logits, dim=1)
    # The clamp keeps the slope of (1 - p)^gamma finite at p = 1 where gamma < 1.
    rest = (1 - log_p.exp()).clamp_min(torch.finfo(logits.dtype).tiny)
    losses = -targets * rest**gamma * log_p
    if weights is not None:
        losses = losses * weights
    return losses.sum(1).mean()


def class_weights(loss: Loss, labels: torch.Tensor, classes: int) -> torch.Tensor | None:
    """Return the (classes,) weights; None for no weighting.

    Weights that the user gives are taken as they are. Warns where beta is too small to tell the
    classes apart: the published 0.930867 gives all classes the same weight.

    Raises:
        InputError: the user's weights are not one per class, or a class has no training image.
    """
    kind = loss.class_weights
    if kind == "none":
        return None
    if not isinstance(kind, str):
        if len(kind) != classes:
            raise InputError(
                f"train.loss.class_weights: {len(kind)} numbers; allowed are "
                f"{', '.join(CLASS_WEIGHTS)}, and one number for each of the {classes} classes."
            )
        return torch.tensor(kind, dtype=torch.float32, device=labels.device)
    counts = torch.bincount(labels, minlength=classes).double()
    if counts.min() == 0:
        raise InputError(
            f"train.loss.class_weights {kind}: class {int(counts.argmin())} has no training image;"
            " allowed without is none."
        )
    # expm1 and log: 1 - beta^n without the cancellation of beta near 1.
    beta = torch.tensor(loss.beta, dtype=torch.float64)
    effective = torch.expm1(counts * beta.log()) / (loss.beta - 1)
    weights = 1 / (counts if kind == "inverse" else effective)
    if kind == "effective" and _spread(weights) < 0.01 <= _spread(counts):
        warnings.warn(
            f"train.loss.beta {loss.beta}: all classes weigh the same to within 1 %, although they"
            f" have {int(counts.min())} to {int(counts.max())} images; nearer 1 tells them apart.",
            stacklevel=2,
        )
    if loss.normalise:
        weights = weights * classes / weights.sum()
    return weights.float()


def _spread(values: torch.Tensor) -> float:
    return float(values.max() / values.min() - 1)
