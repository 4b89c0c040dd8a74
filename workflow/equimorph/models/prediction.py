"""The logits of many images, in batches."""

import torch
from torch import nn


def predict_logits(
    network: nn.Module, *inputs: torch.Tensor, batch_size: int = 128
) -> torch.Tensor:
    """Return the (N, classes) float32 logits of N images, in evaluation mode.

    The inputs may be elsewhere than the network; the logits are where the network is.

    Args:
        network: a network in any mode; it is left in evaluation mode.
        inputs: (N, 3, S, S) images and, where the network takes it, what is measured on them.
        batch_size: images at a time.
    """
    network.eval()
    device = next(network.parameters()).device
    with torch.inference_mode():
        batches = zip(*(each.split(batch_size) for each in inputs), strict=True)
        logits = [network(*(each.to(device) for each in batch)) for batch in batches]
    return torch.cat(logits).float()
