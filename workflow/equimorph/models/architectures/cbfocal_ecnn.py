"""The small C4 network of S2 (GabrielArpini/GalaxyClassifier) with its asymmetry branch."""

from collections.abc import Sequence
from typing import Any

import torch
from torch import nn

from equimorph.groups.escnn import enn
from equimorph.groups.names import Group, parse_group
from equimorph.models.asymmetry import MEASURES, checked
from equimorph.models.fields import regular_fields, trivial_fields
from equimorph.models.head import CircularMask, Normalise
from equimorph.models.limits import S2_POOL_AFTER, s2_padding
from equimorph.steerable.batch_norm import InnerBatchNorm
from equimorph.steerable.blurred_pool import BlurredPool
from equimorph.steerable.convolution import SteerableConv, plane
from equimorph.steerable.group_pool import GroupPool

S2_GROUP = Group(rotations=4, reflections=False)
S2_FIELDS = (4, 8, 12, 16, 20)
S2_FIELD_DROPOUT = (0.1, 0.1, 0.15, 0.15, 0.2)
LAST_POOL_PADDING = 1  # the other pools pad by 2
ASYMMETRY_FEATURES = 8


def build(arguments: dict[str, Any], classes: int) -> nn.Module:
    """Build the network from a specification's arguments."""
    return CBFocalECNN(
        group=parse_group(arguments["group"]),
        fields=tuple(arguments["mixed_fields"]),
        field_dropout=tuple(arguments["field_dropout"]),
        asymmetry=arguments["asymmetry"],
        exact=arguments["exact"],
        input_size=arguments["input_size"],
        classes=classes,
    )


class CBFocalECNN(nn.Module):
    """Steerable blocks on as many trivial as regular fields, both pools, asymmetry, classifier.

    The published network takes 256 px, where halving loses the centre; 257 px keep it, so the
    logits do not change under the elements of the group that the pixel grid allows. With C4, S2's
    fields and the asymmetry it has 40,418 parameters: 24,416 in the convolutions, 240 in batch
    norm, 200 in the asymmetry branch, 15,562 in the classifier.
    """

    def __init__(
        self,
        *,
        fields: Sequence[int] = S2_FIELDS,
        field_dropout: Sequence[float] = S2_FIELD_DROPOUT,
        group: Group = S2_GROUP,
        asymmetry: bool | str = True,
        exact: bool = True,
        input_size: int,
        classes: int,
    ):
        """Build the network with its convolutions' weights at zero.

        Args:
            fields: number n of each block; it has n trivial and n regular fields.
            field_dropout: probability, for each block, that a field is dropped at a pixel. All
                channels of a field go together, so none of its orientations is preferred.
            group: the group that acts on the hidden fields.
            asymmetry: whether the classifier also sees the asymmetry index of the whole image, not
                augmented; `published` is S2's index, in wrapping bytes.
            exact: refuse sizes that do not keep rotations by 90 degrees exact, such as the
                published 256 px.
            input_size: side of the images in px.
            classes: number of logits.

        Raises:
            InputError: the input size is not exact although `exact` asks for it, or the numbers of
                blocks in `fields` and `field_dropout` differ.
        """
        super().__init__()
        stem_padding = s2_padding(fields, field_dropout, input_size, exact)
        space = plane(group)
        field_type = trivial_fields(space, 3)
        self.input_type = field_type
        self.normalise, self.mask = Normalise(), CircularMask(input_size)
        blocks: list[enn.EquivariantModule] = []
        for block, (width, dropout) in enumerate(zip(fields, field_dropout, strict=True), start=1):
            hidden_type = trivial_fields(space, width) + regular_fields(space, width)
            padding = stem_padding if block == 1 else 1
            blocks += [
                SteerableConv(field_type, hidden_type, 3, 1, padding),
                InnerBatchNorm(hidden_type),
                enn.ReLU(hidden_type, inplace=True),
                enn.FieldDropout(hidden_type, dropout),
            ]
            if block in S2_POOL_AFTER:
                last = block == S2_POOL_AFTER[-1]
                blocks.append(BlurredPool(hidden_type, LAST_POOL_PADDING if last else None))
            field_type = hidden_type
        self.blocks = enn.SequentialModule(*blocks)
        self.group_pool = GroupPool(field_type)
        self.measure = MEASURES[asymmetry]
        self.asymmetry = asymmetry_branch() if asymmetry else None
        features = 2 * fields[-1] + (ASYMMETRY_FEATURES if asymmetry else 0)
        self.classifier = nn.Sequential(
            nn.Linear(features, 128),
            nn.BatchNorm1d(128),
            nn.ELU(),
            nn.Dropout(0.3),
            nn.Linear(128, 64),
            nn.BatchNorm1d(64),
            nn.ELU(),
            nn.Dropout(0.2),
            nn.Linear(64, classes),
        )

    def forward(self, images: torch.Tensor, asymmetry: torch.Tensor | None = None) -> torch.Tensor:
        """Map (B, 3, size, size) pixel values 0-255 and (B, 1) indices to (B, classes) logits."""
        fields = enn.GeometricTensor(self.mask(self.normalise(images)), self.input_type)
        features = self.group_pool(self.blocks(fields)).tensor.mean(dim=(2, 3))
        if self.asymmetry is not None:
            index = checked(asymmetry).to(features.dtype)
            features = torch.cat([features, self.asymmetry(index)], dim=1)
        return self.classifier(features)


def asymmetry_branch() -> nn.Sequential:
    """Return what maps (B, 1) asymmetry indices to (B, 8) features."""
    return nn.Sequential(
        nn.Linear(1, 16),
        nn.ReLU(),
        nn.BatchNorm1d(16),
        nn.Dropout(0.1),
        nn.Linear(16, ASYMMETRY_FEATURES),
    )
