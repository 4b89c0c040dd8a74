"""Optimisers, and the schedules of their learning rates."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from torch import nn, optim
from torch.optim import lr_scheduler

OPTIMISERS = ("adamw", "adam", "radam", "sgd")
SCHEDULES = ("one_cycle", "multi_step", "plateau", "cosine", "constant")
MONITORED = ("loss", "accuracy")


@dataclass(frozen=True)
class Schedule:
    """How the learning rate goes, with the arguments of torch's schedulers under torch's names.

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
        kind: its name.
        parameters: what it changes.
        rate: learning rate.
        weight_decay: decoupled from the rate in adamw, an L2 penalty in the others.
        momentum: of sgd.
    """
    if kind == "sgd":
        return optim.SGD(parameters, rate, momentum, weight_decay=weight_decay)
    adaptive = {"adamw": optim.AdamW, "adam": optim.Adam, "radam": optim.RAdam}
    return adaptive[kind](parameters, rate, weight_decay=weight_decay)


class Scheduler:
    """One-cycle moves the rate after every step, the other schedules after every epoch."""

    def __init__(self, optimiser: optim.Optimizer, schedule: Schedule, steps: int, epochs: int):
        """Set the first rate.

        Args:
            optimiser: its learning rate is the peak of `one_cycle` and the first of the others.
            schedule: how the rate goes.
            steps: per epoch.
            epochs: in all.
        """
        self.optimiser = optimiser
        self.monitored = f"validation_{schedule.monitor}"
        if schedule.kind == "one_cycle":
            self.torch = lr_scheduler.OneCycleLR(
                optimiser,
                optimiser.param_groups[0]["lr"],
                total_steps=steps * epochs,
                cycle_momentum=not isinstance(optimiser, optim.SGD),  # sgd's is the recipe's
            )
        elif schedule.kind == "multi_step":
            self.torch = lr_scheduler.MultiStepLR(
                optimiser, list(schedule.milestones), schedule.gamma
            )
        elif schedule.kind == "plateau":
            self.torch = lr_scheduler.ReduceLROnPlateau(
                optimiser,
                mode="max" if schedule.monitor == "accuracy" else "min",
                factor=schedule.factor,
                patience=schedule.patience,
                min_lr=schedule.min_lr,
            )
        elif schedule.kind == "cosine":
            self.torch = lr_scheduler.CosineAnnealingWarmRestarts(
                optimiser, schedule.T_0, schedule.T_mult, schedule.eta_min
            )
        else:
            self.torch = lr_scheduler.ConstantLR(optimiser, factor=1.0)

    @property
    def rate(self) -> float:
        """The learning rate."""
        return self.optimiser.param_groups[0]["lr"]

    def after_step(self) -> None:
        """Move the rate after a step of the optimiser."""
        if isinstance(self.torch, lr_scheduler.OneCycleLR):
            self.torch.step()

    def after_epoch(self, validated: Mapping[str, float]) -> None:
        """Move the rate after an epoch with these `validation_loss` and `validation_accuracy`."""
        if isinstance(self.torch, lr_scheduler.ReduceLROnPlateau):
            self.torch.step(validated[self.monitored])
        elif not isinstance(self.torch, lr_scheduler.OneCycleLR):
            self.torch.step()

    def state_dict(self) -> dict[str, Any]:
        """Return what `load_state_dict` needs."""
        return self.torch.state_dict()

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on from a state; the rate itself is in the optimiser's."""
        self.torch.load_state_dict(state)
