"""Inputs beside the image: numbers that are measured once on the image as it is stored."""

import numpy as np
import torch
from torch import nn


def measured(network: nn.Module, images: np.ndarray) -> tuple[torch.Tensor, ...]:
    """Return what a network takes beside its images: nothing, or one tensor.

    A network that takes more has an attribute `measure`, a function of (N, W, W, 3) uint8 images
    that gives (N, k) floats. They are measured on whole images as they are stored, so that neither
    augmentation, nor the crop, nor the input size of the network changes them.

    Args:
        network: a network, called as `network(images, *measured)`.
        images: (N, W, W, 3) uint8, may be memory-mapped.
    """
    measure = getattr(network, "measure", None)
    return () if measure is None else (measure(images),)


def black_inputs(network: nn.Module, batch: int, size: int) -> tuple[torch.Tensor, ...]:
    """Return all that a network takes of `batch` black images of `size` px, on its device."""
    device = next(network.parameters()).device
    beside = measured(network, np.zeros((batch, size, size, 3), np.uint8))
    return (torch.zeros(batch, 3, size, size, device=device), *(b.to(device) for b in beside))
