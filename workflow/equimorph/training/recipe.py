"""How a network is trained, as values."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from equimorph.errors import InputError
from equimorph.training.augment import Augmentation
from equimorph.training.balancing import BALANCING
from equimorph.training.losses import CLASS_WEIGHTS, Loss
from equimorph.training.optimisers import OPTIMISERS, SCHEDULES, WATCHED, Schedule

PRECISIONS = ("float32", "bfloat16")


@dataclass(frozen=True)
class Recipe:
    """How a network is trained.

    Attributes:
        epochs: passes over the training set.
        batch_size: images per step; the last, smaller batch of an epoch is left out.
        learning_rate: peak of the one-cycle schedule, first rate of the others.
        weight_decay: of the optimiser.
        label_smoothing: probability mass spread over all classes.
        patience: epochs without a lower validation loss after which training stops.
        precision: `float32` or `bfloat16` (autocast).
        augmentation: of the training images.
        ema: decay per step of the moving average of the weights that is validated and kept; None
            for the weights themselves.
        optimiser: `adamw`, `adam`, `radam` or `sgd`.
        momentum: of sgd.
        schedule: of the learning rate.
        clip: largest norm of the gradient of all weights together; None for any.
        loss: focus and class weights.
        mixup: alpha of the Beta distribution of the shares in which images are mixed; None for
            images as they are.
        balancing: `none`, `weighted`, `over` or `under`; see `balancing.epoch_order`.
        crop: central part of the images that training is shown, as a fraction of their side; None
            for what the network is shown otherwise. S4 trains on parts of the whole image and
            validates on its central part.
        least_improvement: decrease of the validation loss, since the last one that counted, that
            counts for `patience`; the epoch that is kept is the lowest in any case.
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
    clip: float | None = None
    loss: Loss = field(default_factory=Loss)
    mixup: float | None = None
    balancing: str = "none"
    least_improvement: float = 0.0
    crop: float | None = None

    def __post_init__(self):
        _check("train.precision", self.precision, PRECISIONS)
        _check("train.optimiser", self.optimiser, OPTIMISERS)
        _check("train.schedule.kind", self.schedule.kind, SCHEDULES)
        _check("train.schedule.watch", self.schedule.watch, WATCHED)
        _check("train.balancing", self.balancing, BALANCING)
        if isinstance(self.loss.class_weights, str):
            _check("train.loss.class_weights", self.loss.class_weights, CLASS_WEIGHTS)
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
        InputError: a name is none of those allowed.
    """
    parts = {"augmentation": Augmentation, "schedule": Schedule, "loss": Loss}
    return Recipe(
        **{key: parts[key](**value) if key in parts else value for key, value in settings.items()}
    )


def _check(key: str, value: str, allowed: tuple[str, ...]) -> None:
    if value not in allowed:
        raise InputError(f"{key} {value!r}: allowed are {', '.join(allowed)}.")
