"""Build a network from its specification and draw its weights."""

from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import nn

from equimorph.groups.names import parse_group
from equimorph.models.cnn import CNN
from equimorph.models.specification import base_trunk, gcnn_trunk


def build(specification: Mapping[str, Any], classes: int) -> nn.Module:
    """Build a network, its weights not yet drawn.

    Args:
        specification: what `specification.resolve` returns.
        classes: number of logits.
    """
    return _BUILDERS[specification["architecture"]](specification, classes)


def _build_gcnn(specification: Mapping[str, Any], classes: int) -> nn.Module:
    # escnn takes seconds to import; a plain network does without.
    from equimorph.models.gcnn import GCNN

    return GCNN(
        parse_group(specification["group"]),
        gcnn_trunk(specification, classes),
        specification["input_size"],
        specification["head"],
        classes,
    )


def _build_cnn(specification: Mapping[str, Any], classes: int) -> nn.Module:
    trunk = base_trunk(specification)
    return CNN(trunk, specification["input_size"], specification["head"], classes)


_BUILDERS: dict[str, Callable[[Mapping[str, Any], int], nn.Module]] = {
    "gcnn": _build_gcnn,
    "cnn": _build_cnn,
}


def initialise(network: nn.Module, generator: torch.Generator) -> None:
    """Draw every weight of `network` from `generator`.

    Plain and steerable convolutions follow He et al. 2015, linear layers torch's default.
    """
    for module in network.modules():
        if type(module) is nn.Conv2d:
            nn.init.kaiming_normal_(module.weight, nonlinearity="relu", generator=generator)
        elif type(module) is nn.Linear:
            nn.init.kaiming_uniform_(module.weight, a=5**0.5, generator=generator)
            nn.init.zeros_(module.bias)
        elif hasattr(module, "basisexpansion"):
            from equimorph.models.steerable import initialise_steerable

            initialise_steerable(module, generator)
