"""Count what a network costs: trainable parameters and multiply-adds."""

import torch
from torch import nn


def count_parameters(network: nn.Module) -> int:
    """Number of trainable parameters."""
    return sum(p.numel() for p in network.parameters() if p.requires_grad)


def count_macs(network: nn.Module, input_size: int) -> int:
    """Multiply-adds of all convolutions and linear layers for one image.

    A steerable convolution counts as the dense one that it expands to, which is what is computed.

    Args:
        network: takes (B, 3, input_size, input_size).
        input_size: side of the images in px.
    """
    total = 0

    def count(module: nn.Module, _inputs: tuple, output: object) -> None:
        nonlocal total
        if isinstance(module, nn.Linear):
            total += module.in_features * module.out_features
        elif isinstance(module, nn.Conv2d):
            pixels = output.shape[-2] * output.shape[-1]
            total += module.weight.numel() * pixels
        else:
            maps = output.tensor
            pixels = maps.shape[-2] * maps.shape[-1]
            total += module.filter.numel() * pixels

    counted = [
        module
        for module in network.modules()
        if isinstance(module, nn.Linear | nn.Conv2d) or hasattr(module, "basisexpansion")
    ]
    hooks = [module.register_forward_hook(count) for module in counted]
    was_training = network.training
    try:
        network.eval()
        device = next(network.parameters()).device
        with torch.no_grad():
            network(torch.zeros(1, 3, input_size, input_size, device=device))
    finally:
        network.train(was_training)
        for hook in hooks:
            hook.remove()
    return total
