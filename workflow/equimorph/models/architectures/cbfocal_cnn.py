"""The plain network of S2 (GabrielArpini/GalaxyClassifier) with its asymmetry branch."""

from typing import Any

import torch
from torch import nn

from equimorph.models.asymmetry import MEASURES, checked
from equimorph.models.head import CircularMask, Normalise

S2_CHANNELS = (32, 64, 128, 256, 512)
ASYMMETRY_FEATURES = 16


def build(arguments: dict[str, Any], classes: int) -> nn.Module:
    """Build the network from a specification's arguments."""
    return CBFocalCNN(classes=classes, **arguments)


class CBFocalCNN(nn.Module):
    """Plain blocks with max-pooling, average over space, asymmetry, classifier.

    With the asymmetry it has 1,740,762 parameters: 1,570,560 in the blocks, 592 in the asymmetry
    branch, 169,610 in the classifier.
    """

    def __init__(self, *, asymmetry: bool | str = True, input_size: int, classes: int):
        """Build the network.

        Args:
            asymmetry: whether the classifier also sees the asymmetry index of the whole image, not
                augmented; `published` is S2's index, in wrapping bytes.
            input_size: side of the images in px.
            classes: number of logits.
        """
        super().__init__()
        self.normalise, self.mask = Normalise(), CircularMask(input_size)
        blocks: list[nn.Module] = []
        source = 3
        for channels in S2_CHANNELS:
            blocks += [
                nn.Conv2d(source, channels, 3, padding=1),
                nn.BatchNorm2d(channels),
                nn.ReLU(inplace=True),
                nn.MaxPool2d(2),
            ]
            source = channels
        self.blocks = nn.Sequential(*blocks)
        self.measure = MEASURES[asymmetry]
        self.asymmetry = asymmetry_branch() if asymmetry else None
        self.classifier = nn.Sequential(
            nn.Linear(source + (ASYMMETRY_FEATURES if asymmetry else 0), 256),
            nn.ReLU(),
            nn.Dropout(0.3),
            nn.Linear(256, 128),
            nn.ReLU(),
            nn.Dropout(0.15),
            nn.Linear(128, classes),
        )

    def initialise(self, generator: torch.Generator) -> None:
        """Draw every weight as S2 does, He-uniform (He et al. 2015); biases are zero."""
        for module in self.modules():
            if isinstance(module, nn.Conv2d | nn.Linear):
                nn.init.kaiming_uniform_(module.weight, nonlinearity="relu", generator=generator)
                if module.bias is not None:
                    nn.init.zeros_(module.bias)

    def forward(self, images: torch.Tensor, asymmetry: torch.Tensor | None = None) -> torch.Tensor:
        """Map (B, 3, size, size) pixel values 0-255 and (B, 1) indices to (B, classes) logits."""
        features = self.blocks(self.mask(self.normalise(images))).mean(dim=(2, 3))
        if self.asymmetry is not None:
            index = checked(asymmetry).to(features.dtype)
            features = torch.cat([features, self.asymmetry(index)], dim=1)
        return self.classifier(features)


def asymmetry_branch() -> nn.Sequential:
    """Return what maps (B, 1) asymmetry indices to (B, 16) features."""
    return nn.Sequential(
        nn.Linear(1, 32),
        nn.ReLU(),
        nn.Linear(32, ASYMMETRY_FEATURES),
        nn.ReLU(),
    )
