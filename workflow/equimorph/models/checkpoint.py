"""A trained network as one safetensors file that holds everything needed to use it."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import nn

from equimorph.data.tensors import network_input
from equimorph.errors import InputError
from equimorph.io import atomic_path
from equimorph.models.inputs import measured
from equimorph.models.registry import build

# 2: kernel bases have signs of their own; escnn's depend on the CPU, so 1 computes something else.
FORMAT = "equimorph-2"
_RUNNING = ("running_mean", "running_var", "num_batches_tracked")


@dataclass(frozen=True)
class Checkpoint:
    """A network in evaluation form and what was stored with it.

    Attributes:
        network: takes what `prepare` returns, gives logits.
        metadata: `model` (name), `specification`, `classes`, `seed`, `split_sha256`, ...
    """

    network: nn.Module
    metadata: dict[str, Any]

    def prepare(self, images: np.ndarray) -> tuple[torch.Tensor, ...]:
        """Return what the network takes of (N, W, W, 3) uint8 images, prepared as in training.

        The first is (N, 3, size, size) uint8, cropped and resized.
        """
        specification = self.metadata["specification"]
        pixels = network_input(images, specification["input_size"], specification["crop"])
        return (pixels, *measured(self.network, images))

    @property
    def classes(self) -> list[str]:
        """Names of the logits."""
        return self.metadata["classes"]


def learned_state(network: nn.Module) -> dict[str, torch.Tensor]:
    """Return parameters and running statistics: what training changes.

    Expanded filters and sampled bases follow from them and from the specification; escnn's own
    state dict differs between training and evaluation mode because it holds the filters.
    """
    state = {name: tensor.detach() for name, tensor in network.named_parameters()}
    for name, tensor in network.named_buffers():
        if name.rsplit(".", 1)[-1] in _RUNNING:
            state[name] = tensor.detach()
    return state


def load_learned_state(network: nn.Module, state: dict[str, torch.Tensor]) -> None:
    """Copy `state` into `network`, in either mode.

    Raises:
        InputError: names or shapes differ.
    """
    own = learned_state(network)
    if own.keys() != state.keys():
        difference = sorted(own.keys() ^ state.keys())[:5]
        raise InputError(f"the weights do not fit the network; they differ in {difference}.")
    was_training = network.training
    network.train()
    with torch.no_grad():
        for name, tensor in own.items():
            if tensor.shape != state[name].shape:
                raise InputError(
                    f"the weights do not fit the network: {name} has shape "
                    f"{tuple(state[name].shape)}, expected {tuple(tensor.shape)}."
                )
            tensor.copy_(state[name])
    network.train(was_training)


def save_checkpoint(
    path: str | Path, state: dict[str, torch.Tensor], metadata: dict[str, Any]
) -> None:
    """Write a learned state and its metadata, atomically."""
    tensors = {name: tensor.cpu().contiguous() for name, tensor in sorted(state.items())}
    # One key: safetensors writes several in an order that changes from run to run.
    header = {FORMAT: json.dumps(metadata, sort_keys=True)}
    with atomic_path(path) as temporary:
        save_file(tensors, temporary, metadata=header)


def load_checkpoint(path: str | Path) -> Checkpoint:
    """Read a checkpoint and build its network in evaluation mode.

    Raises:
        InputError: the file is missing, damaged or not one of equimorph's.
    """
    try:
        with safe_open(path, framework="pt") as file:
            header = file.metadata() or {}
            state = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    except (OSError, SafetensorError) as error:
        raise InputError(f"{path}: not a readable safetensors file ({error}).") from error
    if FORMAT not in header:
        raise InputError(f"{path}: not a model of equimorph (format {FORMAT} is expected).")
    try:
        metadata = json.loads(header[FORMAT])
        specification, classes = metadata["specification"], len(metadata["classes"])
    except (KeyError, TypeError, ValueError) as error:
        raise InputError(f"{path}: its header is damaged ({error!r}).") from error
    network = build(specification, classes)
    load_learned_state(network, state)
    return Checkpoint(network.eval(), metadata)
