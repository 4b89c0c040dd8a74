"""Build a network from its specification."""

from collections.abc import Mapping
from importlib import import_module
from typing import Any

from torch import nn

from equimorph.choices import choose
from equimorph.groups.names import parse_group
from equimorph.models.head import NORMALISATIONS, CircularMask, Normalise
from equimorph.models.orbit import OrbitAverage
from equimorph.sources import ARCHITECTURES


def build(specification: Mapping[str, Any], classes: int) -> nn.Module:
    """Build a network, its weights not yet drawn.

    Its module is found by the architecture's name: so a job depends on the one that it builds, and
    escnn and torchvision, which take seconds to import, are imported where they are needed.

    Args:
        specification: what `study.models.resolve` returns.
        classes: number of logits.

    Raises:
        InputError: an argument is not allowed.
    """
    arguments = {
        key: value
        for key, value in specification.items()
        if key not in ("architecture", "crop", "mask", "normalise", "antialias", "orbit")
    }
    module = import_module(f"{ARCHITECTURES}.{specification['architecture']}")
    network = module.build(arguments, classes)
    network.mask = CircularMask(specification["input_size"], specification["mask"])
    statistics = choose(NORMALISATIONS, "network.normalise", specification.get("normalise", "auto"))
    if statistics:
        network.normalise = Normalise(*statistics)
    if "orbit" in specification:
        network = OrbitAverage(network, parse_group(specification["orbit"]))
    return network
