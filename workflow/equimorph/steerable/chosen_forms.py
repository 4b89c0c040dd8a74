"""Which form each steerable convolution of a network takes, and what the sparse ones spare."""

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import nn

from equimorph.steerable.irrep_cost import Call, dense_macs, sparse_macs


def chosen_methods(
    network: nn.Module, inputs: Sequence[torch.Tensor], batch: int, gradients: bool
) -> dict[str, str]:
    """Tell how each steerable convolution computes on the CPU, `sparse` or `dense`, by its name.

    Args:
        network: a network with or without steerable convolutions.
        inputs: its inputs, of any number of images, on its device.
        batch: images at a time.
        gradients: whether a backward pass follows.
    """
    sparse = _sparse_calls(network, inputs, batch, gradients)
    return {name: "sparse" if call else "dense" for name, (_, call) in sparse.items()}


def spared_macs(network: nn.Module, inputs: Sequence[torch.Tensor], batch: int) -> int:
    """Return the multiply-adds per image of a training's forward pass that sparse forms spare.

    Args:
        network: a network with or without steerable convolutions.
        inputs: its inputs, of any number of images, on its device.
        batch: images at a time, as this decides which convolutions are sparse.
    """
    spared = 0
    for conv, call in _sparse_calls(network, inputs, batch, gradients=True).values():
        if call is not None:
            convolution, _ = conv.sparse
            spared += dense_macs(call) - sparse_macs(call, convolution)
    return spared // batch


def _sparse_calls(
    network: nn.Module, inputs: Sequence[torch.Tensor], batch: int, gradients: bool
) -> dict[str, tuple[Any, Call | None]]:
    """Return each steerable convolution by its name, and its call on a CPU if that is sparse."""
    found: dict[str, tuple[Any, Call | None]] = {}

    def note(name: str) -> Callable[[Any, tuple], None]:
        def hook(conv: Any, inputs: tuple) -> None:
            shape = (batch, *inputs[0].tensor.shape[1:])
            sparse = conv.is_sparse(shape, torch.float32, "cpu", gradients)
            found[name] = conv, conv.call(shape, gradients) if sparse else None

        return hook

    hooks = [
        module.register_forward_pre_hook(note(name))
        for name, module in network.named_modules()
        if hasattr(module, "is_sparse")  # an IrrepConv, whose module imports escnn
    ]
    was_training = network.training
    try:
        with torch.no_grad():
            network.eval()(*inputs)
    finally:
        network.train(was_training)
        for hook in hooks:
            hook.remove()
    return found
