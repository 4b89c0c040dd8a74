"""Losses, one module each, found by name: a training depends on its own alone.

A module has a dataclass `Loss`, the keys of `train.loss` that belong to it, with a method
`criterion(smoothing, labels, classes)` that returns the loss of a batch as a function of logits and
targets. `study.recipes.LOSS_KEYS` and the schema list its keys.
"""

from collections.abc import Callable, Mapping
from importlib import import_module
from typing import Any, Protocol

import torch

from equimorph.sources import LOSSES


class Loss(Protocol):
    """The settings of a loss."""

    def criterion(
        self, smoothing: float, labels: torch.Tensor, classes: int
    ) -> Callable[[torch.Tensor, torch.Tensor], torch.Tensor]:
        """Return the loss of a batch: logits (B, classes), and labels (B,) or (B, classes)."""


def read_loss(settings: Mapping[str, Any]) -> Loss:
    """Return the loss that `train.loss` names by its key `kind`."""
    own = {key: value for key, value in settings.items() if key != "kind"}
    return import_module(f"{LOSSES}.{settings['kind']}").Loss(**own)
