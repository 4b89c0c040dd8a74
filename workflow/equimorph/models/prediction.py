"""The logits of many images. Apart from training, whose parts take a second more to import."""

import torch
from torch import nn


def predict_logits(network: nn.Module, images: torch.Tensor, batch_size: int = 128) -> torch.Tensor:
    """Return the (N, classes) float32 logits of (N, 3, S, S) images, in evaluation mode.

    The images may be elsewhere than the network; the logits are where the network is.
    """
    network.eval()
    device = next(network.parameters()).device
    with torch.inference_mode():
        batches = images.split(batch_size)
        return torch.cat([network(batch.to(device)) for batch in batches]).float()
