"""Exponential moving average of what a network has learned."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import nn

from equimorph.models.checkpoint import learned_state, load_learned_state


class Average:
    """The moving average of weights and running statistics; without a decay, their latest values.

    The decay starts low, min(decay, (1 + t) / (10 + t)) at step t, so that the first weights,
    which are random, are soon forgotten.
    """

    def __init__(self, network: nn.Module, decay: float | None):
        """Start at the network's present state.

        Args:
            network: network whose state is averaged, in either mode.
            decay: share of the average that a step keeps; None for no averaging.
        """
        self.network = network
        self.decay = decay
        self.steps = 0
        self.tensors = {} if decay is None else _copy(network)

    @torch.no_grad()
    def update(self) -> None:
        """Add the network's present state to the average."""
        if self.decay is None:
            return
        decay = min(self.decay, (1 + self.steps) / (10 + self.steps))
        self.steps += 1
        averages, values = [], []
        for name, value in learned_state(self.network).items():
            if value.is_floating_point():
                averages.append(self.tensors[name])
                values.append(value)
            else:  # batch norm's count of batches
                self.tensors[name].copy_(value)
        # One call for all tensors: hundreds of small calls would cost more than the step itself.
        torch._foreach_lerp_(averages, values, 1 - decay)

    @contextmanager
    def in_place(self) -> Iterator[None]:
        """Put the average into the network inside the block, and the latest state back after it."""
        if self.decay is None:
            yield
            return
        present = _copy(self.network)
        load_learned_state(self.network, self.tensors)
        try:
            yield
        finally:
            load_learned_state(self.network, present)

    def state_dict(self) -> dict[str, Any]:
        """Return what `load_state_dict` needs."""
        return {"steps": self.steps, "tensors": self.tensors}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on from a state of a network like this one."""
        self.steps = state["steps"]
        for name, tensor in self.tensors.items():
            tensor.copy_(state["tensors"][name])


def _copy(network: nn.Module) -> dict[str, torch.Tensor]:
    return {name: tensor.clone() for name, tensor in learned_state(network).items()}
