"""Cross-entropy, and its weighted and focal variants (Lin et al. 2017)."""

from dataclasses import dataclass

import torch
from torch.nn.functional import cross_entropy, log_softmax, one_hot

from equimorph.training.class_weights import class_weights


@dataclass(frozen=True)
class Loss:
    """Weights of classes and focus on hard images; the default is plain cross-entropy.

    Attributes:
        gamma: focus on images that are not yet recognised, (1 - p)^gamma (Lin et al. 2017).
        class_weights: `none`, `inverse` (1 / n_c), `effective` (Cui et al. 2019), or one number
            per class; n_c is the class's number of training images.
        beta: parameter of `effective`: class c weighs (1 - beta) / (1 - beta^n_c).
        normalise: whether the weights of `inverse` and `effective` are scaled to sum to the number
            of classes. S2's are not: with its beta the loss is 14 times smaller, and so is the
            gradient, which matters where the gradient is clipped or weights decay.
    """

    gamma: float = 0.0
    class_weights: str | tuple[float, ...] = "none"
    beta: float = 0.999
    normalise: bool = True

    def criterion(self, smoothing: float, labels: torch.Tensor, classes: int) -> "Criterion":
        """Return the loss of a batch.

        Args:
            smoothing: probability mass spread over all classes.
            labels: (N,) int64 of the training set, on the device of the batches.
            classes: number of logits.

        Raises:
            InputError: the class weights do not fit the classes.
        """
        weights = class_weights(self.class_weights, self.beta, labels, classes, self.normalise)
        return Criterion(self.gamma, smoothing, weights)


@dataclass(frozen=True)
class Criterion:
    """The loss of a batch, for labels or for probabilities as targets.

    Attributes:
        gamma: focus on images that are not yet recognised, see `Loss`.
        smoothing: probability mass spread over all classes.
        weights: (classes,), or None for ones.
    """

    gamma: float
    smoothing: float
    weights: torch.Tensor | None

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
        gamma: focus, at least 0; 0 is cross-entropy.
        weights: (classes,), or None for ones.
    """
    log_p = log_softmax(logits, dim=1)
    # The clamp keeps the slope of (1 - p)^gamma finite at p = 1 where gamma < 1.
    rest = (1 - log_p.exp()).clamp_min(torch.finfo(logits.dtype).tiny)
    losses = -targets * rest**gamma * log_p
    if weights is not None:
        losses = losses * weights
    return losses.sum(1).mean()
