"""Build a network from its specification and draw its weights."""

from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import nn

from equimorph.groups.names import parse_group
from equimorph.models.cnn import CNN
from equimorph.models.specification import base_trunk
from equimorph.models.widths import (
    Trunk,
    exact_sizes,
    head_parameters,
    match_width,
    plain_sizes,
    trunk_macs,
    trunk_parameters,
)


def build(specification: Mapping[str, Any], classes: int) -> nn.Module:
    """Build a network, its weights not yet drawn.

    Args:
        specification: what `specification.resolve` returns.
        classes: number of logits.
    """
    return _BUILDERS[specification["architecture"]](specification, classes)


def gcnn_trunk(specification: Mapping[str, Any], classes: int) -> Trunk:
    """Return the trunk of a GCNN, its fields matched to the plain network of the same trunk.

    `match: fields` keeps the numbers of fields, as S1 did: cost grows with |G|^2. `parameters` and
    `macs` scale all widths by one factor until the GCNN has as many trainable parameters, or
    multiply-adds in its convolutions, as the CNN.
    """
    trunk = base_trunk(specification)
    size = specification["input_size"]
    group = parse_group(specification["group"])
    if specification["match"] == "macs":
        target = trunk_macs(trunk, plain_sizes(trunk, size), 1)
        convolved = exact_sizes(trunk, size).convolved
        factor = match_width(lambda f: trunk_macs(trunk.scaled(f), convolved, group.order), target)
        return trunk.scaled(factor)
    if specification["match"] == "parameters":
        target = _pooled_parameters(trunk, None, classes)
        factor = match_width(
            lambda f: _pooled_parameters(trunk.scaled(f), specification["group"], classes), target
        )
        return trunk.scaled(factor)
    return trunk


def _pooled_parameters(trunk: Trunk, group: str | None, classes: int) -> int:
    """Parameters of a network with the pooling head; the plain network where `group` is None."""
    if group is None:
        stem = inner = trunk.kernel_size**2
    else:
        from equimorph.models.steerable import weights_per_pair

        stem = weights_per_pair(parse_group(group), trunk.kernel_size, trivial_input=True)
        inner = weights_per_pair(parse_group(group), trunk.kernel_size, trivial_input=False)
    return trunk_parameters(trunk, stem, inner) + head_parameters(trunk.fields[-1], classes)


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
