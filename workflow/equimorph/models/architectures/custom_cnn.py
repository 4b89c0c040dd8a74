"""The plain network of S4 (Galaxy Morphology Classification): no padding, no batch norm."""

from typing import Any

import torch
from torch import nn

from equimorph.errors import InputError
from equimorph.models.head import CircularMask, Normalise

CHANNELS = (512, 256, 128, 128, 64)
HIDDEN_WIDTHS = (512, 256, 128, 64)


def final_size(input_size: int) -> int:
    """Return the side of the last map in px: a block takes off two pixels and halves the rest."""
    size = input_size
    for _ in CHANNELS:
        size = max(size - 2, 0) // 2
    return size


SMALLEST_SIZE = next(size for size in range(1, 256) if final_size(size))


def build(arguments: dict[str, Any], classes: int) -> nn.Module:
    """Build the network from a specification's arguments."""
    return CustomCNN(classes=classes, **arguments)


class CustomCNN(nn.Module):
    """Five 3 x 3 convolutions with max-pooling, and four hidden layers on the flattened map.

    2,703,498 parameters at 224 px and ten classes.
    """

    def __init__(self, input_size: int, classes: int):
        """Build the network.

        Args:
            input_size: side of the images in px, at least 94.
            classes: number of logits.

        Raises:
            InputError: the images are too small.
        """
        super().__init__()
        if input_size < SMALLEST_SIZE:
            raise InputError(
                f"input_size {input_size}: too small for CustomCNN, whose convolutions do not "
                f"pad; the smallest is {SMALLEST_SIZE}."
            )
        self.normalise, self.mask = Normalise(), CircularMask(input_size)
        blocks: list[nn.Module] = []
        source = 3
        for channels in CHANNELS:
            blocks += [nn.Conv2d(source, channels, 3), nn.ReLU(inplace=True), nn.MaxPool2d(2)]
            source = channels
        self.blocks = nn.Sequential(*blocks)
        layers: list[nn.Module] = []
        features = source * final_size(input_size) ** 2
        for width in HIDDEN_WIDTHS:
            layers += [nn.Linear(features, width), nn.ReLU(inplace=True)]
            features = width
        self.classifier = nn.Sequential(*layers, nn.Linear(features, classes))

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Map (B, 3, size, size) pixel values 0-255 to (B, classes) logits."""
        maps = self.blocks(self.mask(self.normalise(images)))
        return self.classifier(maps.flatten(1))
