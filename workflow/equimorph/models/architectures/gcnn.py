"""The equivariant networks of S1 (arXiv:2311.01500) for every group C_N and D_N."""

from typing import Any

import torch
from torch import nn

from equimorph.groups.escnn import enn
from equimorph.groups.names import Group, parse_group
from equimorph.models import executed  # noqa: F401 - matching finds it by name
from equimorph.models.fields import regular_fields, trivial_fields
from equimorph.models.head import CircularMask, Normalise, classifier
from equimorph.models.matching import gcnn_trunk
from equimorph.models.trunk import Trunk, exact_sizes
from equimorph.steerable.batch_norm import InnerBatchNorm
from equimorph.steerable.blurred_pool import BlurredPool
from equimorph.steerable.convolution import SteerableConv, plane
from equimorph.steerable.group_pool import GroupPool


def build(arguments: dict[str, Any], classes: int) -> nn.Module:
    """Build the network from a specification's arguments."""
    return GCNN(
        parse_group(arguments["group"]),
        gcnn_trunk(arguments, classes),
        arguments["input_size"],
        arguments["head"],
        classes,
    )


class GCNN(nn.Module):
    """Steerable blocks on regular fields, group pooling, pooling over space, classifier.

    With the head `pool` the logits do not change under the elements of the group that the pixel
    grid allows. The head `flatten` is S1's: it flattens the map, and a rotation permutes the
    classifier's inputs.
    """

    def __init__(self, group: Group, trunk: Trunk, input_size: int, head: str, classes: int):
        """Build the network with its convolutions' weights at zero.

        Args:
            group: the group that acts on the hidden fields.
            trunk: fields per block, pools, kernel size, stride of the first block.
            input_size: side of the images in px.
            head: `pool` (invariant) or `flatten` (S1).
            classes: number of logits.

        Raises:
            InputError: the input size does not keep rotations by 90 degrees exact.
        """
        super().__init__()
        sizes = exact_sizes(trunk, input_size)
        space = plane(group)
        field_type = trivial_fields(space, 3)
        self.input_type = field_type
        self.normalise, self.mask = Normalise(), CircularMask(input_size)
        blocks: list[enn.EquivariantModule] = []
        for block, fields in enumerate(trunk.fields, start=1):
            hidden_type = regular_fields(space, fields)
            stride = trunk.stem_stride if block == 1 else 1
            kernel_size = trunk.kernel(block)
            padding = sizes.stem_padding if block == 1 else kernel_size // 2
            blocks += [
                SteerableConv(field_type, hidden_type, kernel_size, stride, padding),
                InnerBatchNorm(hidden_type),
                enn.ReLU(hidden_type, inplace=True),
            ]
            if block in trunk.pool_after:
                blocks.append(BlurredPool(hidden_type))
            field_type = hidden_type
        self.blocks = enn.SequentialModule(*blocks)
        self.group_pool = GroupPool(field_type)
        self.flatten = head == "flatten"
        features = trunk.fields[-1] * (sizes.final**2 if self.flatten else 1)
        self.classifier = classifier(features, classes)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Map (B, 3, size, size) pixel values 0-255 to (B, classes) logits."""
        fields = enn.GeometricTensor(self.mask(self.normalise(images)), self.input_type)
        maps = self.group_pool(self.blocks(fields)).tensor
        features = maps.flatten(1) if self.flatten else maps.mean(dim=(2, 3))
        return self.classifier(features)
