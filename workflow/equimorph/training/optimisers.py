"""Optimisers, and the schedules of their learning rates."""

import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from torch import nn, optim
from torch.optim import lr_scheduler

from equimorph.choices import choose

OPTIMISERS: dict[str, Callable[..., optim.Optimizer]] = {
    "adamw": optim.AdamW,
    "adam": optim.Adam,
    "radam": optim.RAdam,
    "sgd": optim.SGD,
}
# Whether a lower or a higher value of each validation metric is better.
MONITORED: dict[str, Literal["min", "max"]] = {"loss": "min", "accuracy": "max"}


@dataclass(frozen=True)
class Schedule:
    """A schedule of the learning rate, with torch's arguments under torch's names.

    Arguments that belong to another kind are not used.

    Attributes:
        kind: `one_cycle` (Smith and Topin 2018), `multi_step`, `plateau`, `cosine` (with
            restarts, Loshchilov and Hutter 2017) or `constant`.
        milestones: for `multi_step`, epochs after which the rate is multiplied by `gamma`.
        gamma: for `multi_step`, the factor on the rate.
        monitor: for `plateau`, the validation `loss` or `accuracy`.
        factor: for `plateau`, the factor on the rate.
        patience: for `plateau`, epochs without a better value before the rate falls.
        min_lr: for `plateau`, the lowest rate.
        T_0: for `cosine`, epochs to the first restart.
        T_mult: for `cosine`, each period is this many times as long as the one before.
        eta_min: for `cosine`, the lowest rate.
    """

    kind: str = "one_cycle"
    milestones: tuple[int, ...] = (25, 50, 75)
    gamma: float = 0.1
    monitor: str = "loss"
    factor: float = 0.1
    patience: int = 5
    min_lr: float = 0.0
    T_0: int = 10
    T_mult: int = 1
    eta_min: float = 0.0


def make_optimiser(
    kind: str,
    parameters: Iterable[nn.Parameter],
    rate: float,
    weight_decay: float,
    momentum: float,
) -> optim.Optimizer:
    """Return one of `OPTIMISERS`.

    Args:
        kind: the optimiser's name.
        parameters: the weights that it changes.
        rate: the learning rate.
        weight_decay: decoupled from the rate in adamw, an L2 penalty in the others.
        momentum: sgd's momentum; the others do not use it.

    Raises:
        InputError: no such optimiser.
    """
    optimiser = choose(OPTIMISERS, "train.optimiser", kind)
    own = {"momentum": momentum} if kind == "sgd" else {}
    return optimiser(parameters, lr=rate, weight_decay=weight_decay, **own)


def _one_cycle(optimiser: optim.Optimizer, schedule: Schedule, steps: int) -> Any:
    return lr_scheduler.OneCycleLR(
        optimiser,
        optimiser.param_groups[0]["lr"],
        total_steps=steps,
        cycle_momentum=not isinstance(optimiser, optim.SGD),  # sgd's is the recipe's
    )


def _multi_step(optimiser: optim.Optimizer, schedule: Schedule, steps: int) -> Any:
    return lr_scheduler.MultiStepLR(optimiser, list(schedule.milestones), schedule.gamma)


def _plateau(optimiser: optim.Optimizer, schedule: Schedule, steps: int) -> Any:
    return lr_scheduler.ReduceLROnPlateau(
        optimiser,
        mode=choose(MONITORED, "train.schedule.monitor", schedule.monitor),
        factor=schedule.factor,
        patience=schedule.patience,
        min_lr=schedule.min_lr,
    )


def _cosine(optimiser: optim.Optimizer, schedule: Schedule, steps: int) -> Any:
    return lr_scheduler.CosineAnnealingWarmRestarts(
        optimiser, schedule.T_0, schedule.T_mult, schedule.eta_min
    )


def _constant(optimiser: optim.Optimizer, schedule: Schedule, steps: int) -> Any:
    return lr_scheduler.ConstantLR(optimiser, factor=1.0)


# torch's scheduler for an optimiser, a schedule and the number of steps in all.
SCHEDULES: dict[str, Callable[[optim.Optimizer, Schedule, int], Any]] = {
    "one_cycle": _one_cycle,
    "multi_step": _multi_step,
    "plateau": _plateau,
    "cosine": _cosine,
    "constant": _constant,
}


class Scheduler:
    """One-cycle moves the rate after every step, the other schedules after every epoch."""

    def __init__(self, optimiser: optim.Optimizer, schedule: Schedule, steps: int, epochs: int):
        """Set the first rate.

        Args:
            optimiser: its learning rate is the peak of `one_cycle` and the first of the others.
            schedule: kind of schedule and its arguments.
            steps: number of steps per epoch.
            epochs: number of epochs in all.

        Raises:
            InputError: no such schedule, or no such metric to monitor.
        """
        self.optimiser = optimiser
        self.monitored = f"validation_{schedule.monitor}"
        scheduler = choose(SCHEDULES, "train.schedule.kind", schedule.kind)
        self.torch: lr_scheduler.LRScheduler = scheduler(optimiser, schedule, steps * epochs)

    @property
    def rate(self) -> float:
        """The learning rate."""
        return self.optimiser.param_groups[0]["lr"]

    def after_step(self) -> None:
        """Move the rate after a step of the optimiser."""
        if isinstance(self.torch, lr_scheduler.OneCycleLR):
            self.torch.step()

    def after_epoch(self, validated: Mapping[str, float]) -> None:
        """Move the rate after an epoch with these `validation_loss` and `validation_accuracy`.

        They are nan in an epoch that was not validated, which a plateau's patience does not count.
        """
        if isinstance(self.torch, lr_scheduler.ReduceLROnPlateau):
            if not math.isnan(validated[self.monitored]):
                self.torch.step(validated[self.monitored])
        elif not isinstance(self.torch, lr_scheduler.OneCycleLR):
            self.torch.step()

    def state_dict(self) -> dict[str, Any]:
        """Return what `load_state_dict` needs."""
        return self.torch.state_dict()

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on from a state; the rate itself is in the optimiser's."""
        self.torch.load_state_dict(state)
