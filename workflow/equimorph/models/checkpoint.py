"""A trained network as one safetensors file that holds everything needed to use it."""

import json
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import load, save, save_file
from torch import nn

from equimorph.data.tensors import network_input
from equimorph.errors import InputError
from equimorph.io import atomic_path
from equimorph.models.inputs import measured
from equimorph.models.registry import build

# 2: kernel bases have signs of their own; escnn's depend on the CPU, so 1 computes something else.
# 3: the weights are packed.
FORMAT = "equimorph-3"
_PACKED = "packed"
# Weights pack by 1.2; a file that claims more than this holds nothing of the kind.
_MAX_PACKING = 100
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
    """Write a learned state, packed without loss, and its metadata, atomically."""
    tensors = {name: tensor.cpu().contiguous() for name, tensor in sorted(state.items())}
    packed = torch.frombuffer(bytearray(pack(save(tensors))), dtype=torch.uint8)
    # One key: safetensors writes several in an order that changes from run to run.
    header = {FORMAT: json.dumps(metadata, sort_keys=True)}
    with atomic_path(path) as temporary:
        save_file({_PACKED: packed}, temporary, metadata=header)


def pack(content: bytes) -> bytes:
    """Pack a safetensors file: the first bytes of all float32 together, the second ones, and so on.

    What a network has learned fills most bits of its weights, but not of their exponents: a sixth
    of the bytes goes, half as much without the order.
    """
    whole = len(content) // 4 * 4
    planes = np.frombuffer(content[:whole], np.uint8).reshape(-1, 4).T.tobytes()
    return zlib.compress(planes + content[whole:], level=9)


def unpack(packed: bytes) -> bytes:
    """Return what `pack` was given.

    Raises:
        ValueError: it was given nothing.
    """
    unpacker = zlib.decompressobj()
    try:
        content = unpacker.decompress(packed, _MAX_PACKING * len(packed))
    except zlib.error as error:
        raise ValueError(str(error)) from error
    if not unpacker.eof:
        raise ValueError("cut short, or packed more than weights can be")
    whole = len(content) // 4 * 4
    return np.frombuffer(content[:whole], np.uint8).reshape(4, -1).T.tobytes() + content[whole:]


def load_checkpoint(path: str | Path) -> Checkpoint:
    """Read a checkpoint and build its network in evaluation mode.

    Raises:
        InputError: the file is missing, damaged or not one of equimorph's.
    """
    try:
        with safe_open(path, framework="pt") as file:
            header = file.metadata() or {}
            packed = file.get_tensor(_PACKED) if FORMAT in header else None
    except (OSError, SafetensorError) as error:
        raise InputError(f"{path}: not a readable safetensors file ({error}).") from error
    if packed is None:
        raise InputError(f"{path}: not a model of equimorph (format {FORMAT} is expected).")
    try:
        state = load(unpack(packed.view(torch.uint8).numpy().tobytes()))
    except (RuntimeError, SafetensorError, ValueError) as error:
        raise InputError(f"{path}: its weights are damaged ({error}).") from error
    try:
        metadata = json.loads(header[FORMAT])
        specification, classes = metadata["specification"], len(metadata["classes"])
    except (KeyError, TypeError, ValueError) as error:
        raise InputError(f"{path}: its header is damaged ({error!r}).") from error
    network = build(specification, classes)
    load_learned_state(network, state)
    return Checkpoint(network.eval(), metadata)
