"""Build a network from its specification and draw its weights."""

from collections.abc import Mapping
from typing import Any

import torch
from torch import nn

from equimorph.groups.names import parse_group
from equimorph.models.specification import base_trunk, gcnn_trunk


def build(specification: Mapping[str, Any], classes: int) -> nn.Module:
    """Build a network, its weights not yet drawn.

    Args:
        specification: what `specification.resolve` returns.
        classes: number of logits.
    """
    arguments = {
        key: value
        for key, value in specification.items()
        if key not in ("architecture", "crop", "orbit")
    }
    network = _BUILDERS[specification["architecture"]](arguments, classes)
    if "orbit" in specification:
        from equimorph.models.orbit import OrbitAverage

        network = OrbitAverage(network, parse_group(specification["orbit"]))
    return network


# escnn and torchvision take seconds to import; each builder imports what it needs.


def _build_gcnn(arguments: dict[str, Any], classes: int) -> nn.Module:
    from equimorph.models.gcnn import GCNN

    return GCNN(
        parse_group(arguments["group"]),
        gcnn_trunk(arguments, classes),
        arguments["input_size"],
        arguments["head"],
        classes,
    )


def _build_cnn(arguments: dict[str, Any], classes: int) -> nn.Module:
    from equimorph.models.cnn import CNN

    return CNN(base_trunk(arguments), arguments["input_size"], arguments["head"], classes)


def _build_harmonic(arguments: dict[str, Any], classes: int) -> nn.Module:
    from equimorph.models.harmonic import HarmonicGCNN

    own = {key: arguments[key] for key in ("group", "band_limit", "samples", "input_size")}
    return HarmonicGCNN(trunk=base_trunk(arguments), classes=classes, **own)


def _build_e2resnet(arguments: dict[str, Any], classes: int) -> nn.Module:
    from equimorph.models.e2resnet import E2ResNet

    group, blocks = parse_group(arguments.pop("group")), tuple(arguments.pop("blocks"))
    return E2ResNet(group=group, blocks=blocks, classes=classes, **arguments)


def _build_e2wrn(arguments: dict[str, Any], classes: int) -> nn.Module:
    from equimorph.models.e2wrn import E2WideResNet

    groups = tuple(parse_group(name) for name in arguments.pop("groups"))
    return E2WideResNet(groups=groups, classes=classes, **arguments)


def _build_backbone(arguments: dict[str, Any], classes: int) -> nn.Module:
    from equimorph.models.backbones import Backbone

    return Backbone(name=arguments.pop("backbone"), classes=classes, **arguments)


def _build_cbfocal_ecnn(arguments: dict[str, Any], classes: int) -> nn.Module:
    from equimorph.models.cbfocal_ecnn import CBFocalECNN

    return CBFocalECNN(
        group=parse_group(arguments["group"]),
        fields=tuple(arguments["mixed_fields"]),
        field_dropout=tuple(arguments["field_dropout"]),
        asymmetry=arguments["asymmetry"],
        input_size=arguments["input_size"],
        classes=classes,
    )


def _build_cbfocal_cnn(arguments: dict[str, Any], classes: int) -> nn.Module:
    from equimorph.models.cbfocal_cnn import CBFocalCNN

    return CBFocalCNN(classes=classes, **arguments)


def _build_deepcnn5(arguments: dict[str, Any], classes: int) -> nn.Module:
    from equimorph.models.deepcnn5 import DeepCNN5

    return DeepCNN5(classes=classes, **arguments)


def _build_custom_cnn(arguments: dict[str, Any], classes: int) -> nn.Module:
    from equimorph.models.custom_cnn import CustomCNN

    return CustomCNN(classes=classes, **arguments)


def _build_vit(arguments: dict[str, Any], classes: int) -> nn.Module:
    from equimorph.models.vit import VisionTransformer

    return VisionTransformer(classes=classes, **arguments)


_BUILDERS = {
    "gcnn": _build_gcnn,
    "cnn": _build_cnn,
    "harmonic": _build_harmonic,
    "e2resnet": _build_e2resnet,
    "e2wrn": _build_e2wrn,
    "backbone": _build_backbone,
    "cbfocal_ecnn": _build_cbfocal_ecnn,
    "cbfocal_cnn": _build_cbfocal_cnn,
    "deepcnn5": _build_deepcnn5,
    "custom_cnn": _build_custom_cnn,
    "vit": _build_vit,
}


def initialise(network: nn.Module, generator: torch.Generator) -> None:
    """Draw every weight of `network` from `generator`, and load the pretrained ones if it has any.

    A network whose published initialisation differs from the default has a method `initialise`.
    """
    if hasattr(network, "initialise"):
        network.initialise(generator)
    else:
        draw_default(network, generator)


def draw_default(module: nn.Module, generator: torch.Generator) -> None:
    """Draw the weights of all layers below `module`.

    Plain and steerable convolutions follow He et al. 2015, linear layers torch's default.
    """
    for layer in module.modules():
        if type(layer) is nn.Conv2d:
            nn.init.kaiming_normal_(layer.weight, nonlinearity="relu", generator=generator)
            if layer.bias is not None:
                nn.init.zeros_(layer.bias)
        elif type(layer) is nn.Linear:
            nn.init.kaiming_uniform_(layer.weight, a=5**0.5, generator=generator)
            nn.init.zeros_(layer.bias)
        elif hasattr(layer, "basisexpansion"):
            from equimorph.models.steerable import initialise_steerable

            initialise_steerable(layer, generator)
