"""Precision under autocast."""

import torch


def computing_dtype(tensor: torch.Tensor) -> torch.dtype:
    """Return the type in which a convolution of `tensor` computes, which autocast may change."""
    device = tensor.device.type
    if device == "meta" or tensor.dtype == torch.float64 or not torch.is_autocast_enabled(device):
        return tensor.dtype
    return torch.get_autocast_dtype(device)
