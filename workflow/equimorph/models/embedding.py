"""Logits of many images, and what the last layer makes them of."""

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import nn

from equimorph.errors import InputError
from equimorph.models.prediction import predict_logits


def predict_embeddings(
    network: nn.Module, *inputs: torch.Tensor, batch_size: int = 128
) -> tuple[torch.Tensor, torch.Tensor]:
    """Return the (N, classes) logits of N images and their (N, E) embeddings, float32.

    The embedding is what the last linear layer takes: all that the network knows of an image. Of a
    network that averages over copies of the image it is the mean, whose logits those are.

    Args:
        network: a network in any mode; it is left in evaluation mode.
        inputs: (N, 3, S, S) images and, where the network takes it, what is measured on them.
        batch_size: images at a time.

    Raises:
        InputError: the network has no linear layer.
    """
    found: list[torch.Tensor] = []
    logits = []
    with _linear_inputs(network) as calls, torch.inference_mode():
        for batch in zip(*(each.split(batch_size) for each in inputs), strict=True):
            calls.clear()
            logits.append(predict_logits(network, *batch, batch_size=batch_size))
            last, _ = calls[-1]
            copies = [given for layer, given in calls if layer is last]
            found.append(torch.stack(copies).mean(dim=0))
    return torch.cat(logits), torch.cat(found).float()


@contextmanager
def _linear_inputs(network: nn.Module) -> Iterator[list[tuple[nn.Module, torch.Tensor]]]:
    """Yield a list that gets every linear layer that is called, in order, with what it takes."""
    layers = [module for module in network.modules() if isinstance(module, nn.Linear)]
    if not layers:
        raise InputError(f"{type(network).__name__}: has no linear layer, so no embedding.")
    calls: list[tuple[nn.Module, torch.Tensor]] = []
    handles = [
        layer.register_forward_pre_hook(lambda module, given: calls.append((module, given[0])))
        for layer in layers
    ]
    try:
        yield calls
    finally:
        for handle in handles:
            handle.remove()
