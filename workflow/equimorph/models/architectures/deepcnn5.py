"""DeepCNN-5Block, the plain network of S3 (GalaxyZoo10_PyTorch)."""

from typing import Any

import torch
from torch import nn

from equimorph.errors import InputError
from equimorph.models.head import CircularMask, Normalise

CHANNELS = (32, 64, 128, 256, 512)
CONVOLUTIONS_PER_BLOCK = 3
HIDDEN_WIDTHS = (2048, 512, 128, 32)
DROPOUTS = (0.4, 0.3, 0.2, 0.1)
SMALLEST_SIZE = 2 ** len(CHANNELS)  # every block halves the map


def build(arguments: dict[str, Any], classes: int) -> nn.Module:
    """Build the network from a specification's arguments."""
    return DeepCNN5(classes=classes, **arguments)


class DeepCNN5(nn.Module):
    """Five blocks of three convolutions, and four hidden layers on the flattened map.

    76,091,946 parameters at 256 px and ten classes, nine in ten of them in the first linear layer.
    """

    def __init__(self, input_size: int, classes: int):
        """Build the network.

        Args:
            input_size: side of the images in px, at least 32; the pools round down.
            classes: number of logits.

        Raises:
            InputError: the images are too small.
        """
        super().__init__()
        if input_size < SMALLEST_SIZE:
            raise InputError(
                f"input_size {input_size}: too small for DeepCNN5, which halves the map "
                f"{len(CHANNELS)} times; the smallest is {SMALLEST_SIZE}."
            )
        self.normalise, self.mask = Normalise(), CircularMask(input_size)
        blocks: list[nn.Module] = []
        source = 3
        for channels in CHANNELS:
            for _ in range(CONVOLUTIONS_PER_BLOCK):
                blocks += [
                    nn.Conv2d(source, channels, 3, padding=1),
                    nn.BatchNorm2d(channels),
                    nn.ReLU(inplace=True),
                ]
                source = channels
            blocks.append(nn.MaxPool2d(2))
        self.blocks = nn.Sequential(*blocks)
        layers: list[nn.Module] = []
        features = source * (input_size // SMALLEST_SIZE) ** 2
        for width, dropout in zip(HIDDEN_WIDTHS, DROPOUTS, strict=True):
            layers += [nn.Linear(features, width), nn.ReLU(inplace=True), nn.Dropout(dropout)]
            features = width
        self.classifier = nn.Sequential(*layers, nn.Linear(features, classes))

    def initialise(self, generator: torch.Generator) -> None:
        """Draw the weights as published: linear layers N(0, 0.01), convolutions He-normal.

        He-normal with the fan-out: the first layer's standard deviation is sqrt(2 / 288) = 0.083.
        """
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(
                    module.weight, mode="fan_out", nonlinearity="relu", generator=generator
                )
                if module.bias is not None:
                    nn.init.zeros_(module.bias)
            elif isinstance(module, nn.Linear):
                nn.init.normal_(module.weight, std=0.01, generator=generator)
                nn.init.zeros_(module.bias)
            elif isinstance(module, nn.BatchNorm2d):
                module.reset_parameters()

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Map (B, 3, size, size) pixel values 0-255 to (B, classes) logits."""
        maps = self.blocks(self.mask(self.normalise(images)))
        return self.classifier(maps.flatten(1))
