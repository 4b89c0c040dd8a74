"""The recipe of a training: its parameters as values."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from equimorph.errors import InputError
from equimorph.training.augment import Augmentation
from equimorph.training.losses import Loss, read_loss
from equimorph.training.optimisers import Schedule


@dataclass(frozen=True)
class Recipe:
    """The parameters of a training.

    Attributes:
        epochs: passes over the training set.
        batch_size: images per step.
        learning_rate: peak of the one-cycle schedule, first rate of the others.
        weight_decay: weight decay of the optimiser.
        label_smoothing: probability mass spread over all classes.
        patience: epochs without a lower validation loss after which training stops.
        precision: a name in `loop.PRECISIONS`; `bfloat16` is by autocast.
        augmentation: augmentation of the training images.
        ema: decay per step of the moving average of the weights that is validated and kept; None
            for the weights themselves.
        optimiser: a name in `optimisers.OPTIMISERS`.
        momentum: momentum of sgd.
        schedule: schedule of the learning rate.
        grad_clip: largest norm of the gradient of all weights together; None for no clipping.
        loss: the loss that is minimised; by default cross-entropy.
        mixup: alpha of the Beta distribution of the shares in which images are mixed; None for no
            mixing.
        sampler: a name in `sampler.SAMPLERS`; see `sampler.epoch_order`.
        crop: central part of the images that training uses, as a fraction of their side; None for
            the same part as in validation. S4 trains on parts of the whole image and validates on
            its central part.
        min_delta: smallest decrease of the validation loss that `patience` counts as an
            improvement; which epoch is kept does not depend on it.
        validate_every: epochs from one validation to the next; the last epoch is validated always,
            and no other than a validated one can be kept. S1 validates every fifth.
        keep: the epoch that is kept, a name in `loop.KEPT`: the lowest validation `loss`, the
            highest validation `accuracy`, or the `last`.
        drop_last: whether the last, smaller batch of an epoch is left out.
    """

    epochs: int
    batch_size: int
    learning_rate: float
    weight_decay: float
    label_smoothing: float
    patience: int
    precision: str
    augmentation: Augmentation
    ema: float | None = None
    optimiser: str = "adamw"
    momentum: float = 0.9
    schedule: Schedule = field(default_factory=Schedule)
    grad_clip: float | None = None
    loss: Loss = field(default_factory=lambda: read_loss({"kind": "focal"}))
    mixup: float | None = None
    sampler: str = "none"
    min_delta: float = 0.0
    crop: float | None = None
    keep: str = "loss"
    drop_last: bool = True
    validate_every: int = 1

    def __post_init__(self) -> None:
        least, largest = self.augmentation.crop_area
        if not 0 < least <= largest <= 1:
            raise InputError(
                f"train.augmentation.crop_area {least}, {largest}: allowed are a least and a"
                " largest share, 0 < least <= largest <= 1."
            )


def read_recipe(settings: Mapping[str, Any]) -> Recipe:
    """Build a recipe from plain values; the parts that are left out keep their defaults.

    Args:
        settings: the fields of `Recipe`; `augmentation`, `schedule` and `loss` are mappings.

    Raises:
        InputError: the ranges of the augmentation are not allowed.
    """
    parts: dict[str, Callable[[Mapping[str, Any]], Any]] = {
        "augmentation": lambda part: Augmentation(**part),
        "schedule": lambda part: Schedule(**part),
        "loss": read_loss,
    }
    return Recipe(
        **{key: parts[key](value) if key in parts else value for key, value in settings.items()}
    )
