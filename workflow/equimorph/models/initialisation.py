"""Draw the weights of a network."""

import torch
from torch import nn


def initialise(network: nn.Module, generator: torch.Generator) -> None:
    """Draw every weight of `network` from `generator`, and load the pretrained ones if it has any.

    A network whose published initialisation differs from the default has a method `initialise`.
    """
    draw = getattr(network, "initialise", None)
    if draw is None:
        draw_default(network, generator)
    else:
        draw(generator)


def draw_default(module: nn.Module, generator: torch.Generator) -> None:
    """Draw the weights of all layers below `module`.

    Plain and steerable convolutions follow He et al. 2015, linear layers torch's default. Steerable
    ones draw their own, so that a plain network does not depend on their code.
    """
    for layer in module.modules():
        if type(layer) is nn.Conv2d:
            nn.init.kaiming_normal_(layer.weight, nonlinearity="relu", generator=generator)
            if layer.bias is not None:
                nn.init.zeros_(layer.bias)
        elif type(layer) is nn.Linear:
            nn.init.kaiming_uniform_(layer.weight, a=5**0.5, generator=generator)
            nn.init.zeros_(layer.bias)
        elif draw := getattr(layer, "draw_weights", None):
            draw(generator)
