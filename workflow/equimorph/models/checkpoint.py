"""A trained network as one safetensors file that holds everything needed to use it.

`trained` reads it.
"""

import json
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors.torch import save, save_file
from torch import nn

from equimorph.errors import InputError
from equimorph.io import atomic_path

# 2: kernel bases have signs of their own, as escnn's depend on the CPU. 3: the weights are packed.
# 4: it says how images are prepared.
FORMAT = "equimorph-4"
PACKED = "packed"
# Weights pack by a factor of 1.2; a file that claims more than this holds no weights.
_MAX_PACKING = 100
_RUNNING = ("running_mean", "running_var", "num_batches_tracked")


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
        save_file({PACKED: packed}, temporary, metadata=header)


def pack(content: bytes) -> bytes:
    """Pack a safetensors file: the first bytes of all float32 together, the second ones, and so on.

    Most bits of learned weights look random, but not those of their exponents: packing saves a
    sixth of the bytes, and half as much if the bytes keep their order.
    """
    whole = len(content) // 4 * 4
    planes = np.frombuffer(content[:whole], np.uint8).reshape(-1, 4).T.tobytes()
    return zlib.compress(planes + content[whole:], level=9)


def unpack(packed: bytes) -> bytes:
    """Return what `pack` was given.

    Raises:
        ValueError: these are no packed weights.
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
