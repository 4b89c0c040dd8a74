"""The plain network of S1 (arXiv:2311.01500): the same widths without any symmetry."""

from typing import Any

import torch
from torch import nn

from equimorph.models.head import CircularMask, Normalise, classifier
from equimorph.models.trunk import Trunk, base_trunk


def build(arguments: dict[str, Any], classes: int) -> nn.Module:
    """Build the network from a specification's arguments."""
    return CNN(base_trunk(arguments), arguments["input_size"], arguments["head"], classes)


class CNN(nn.Module):
    """Plain blocks with max-pooling at the same places, pooling over space, classifier."""

    def __init__(self, trunk: Trunk, input_size: int, head: str, classes: int):
        """Build the network.

        Args:
            trunk: channels per block, pools, kernel size, stride of the first block.
            input_size: side of the images in px.
            head: `pool` (average over space) or `flatten` (S1).
            classes: number of logits.
        """
        super().__init__()
        self.normalise, self.mask = Normalise(), CircularMask(input_size)
        blocks: list[nn.Module] = []
        source = 3
        for block, channels in enumerate(trunk.fields, start=1):
            stride = trunk.stem_stride if block == 1 else 1
            kernel_size = trunk.kernel(block)
            padding = kernel_size // 2 + (1 if block == 1 else 0)
            blocks += [
                nn.Conv2d(source, channels, kernel_size, stride, padding, bias=False),
                nn.BatchNorm2d(channels),
                nn.ReLU(inplace=True),
            ]
            if block in trunk.pool_after:
                blocks.append(nn.MaxPool2d(2))
            source = channels
        self.blocks = nn.Sequential(*blocks)
        self.flatten = head == "flatten"
        features = source
        if self.flatten:
            with torch.no_grad():
                maps = self.blocks.eval()(torch.zeros(1, 3, input_size, input_size))
            features = maps.numel()
        self.classifier = classifier(features, classes)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Map (B, 3, size, size) pixel values 0-255 to (B, classes) logits."""
        maps = self.blocks(self.mask(self.normalise(images)))
        return self.classifier(maps.flatten(1) if self.flatten else maps.mean(dim=(2, 3)))
