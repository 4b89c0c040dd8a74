"""Steerable ResNets with 18 and 50 layers and their relatives, as S1 (arXiv:2311.01500) tried them.

The architecture is that of He et al. 2016, Deep Residual Learning for Image Recognition, on regular
fields.
"""

from typing import Any

import torch
from torch import nn

from equimorph.groups.escnn import enn
from equimorph.groups.names import Group, parse_group
from equimorph.models.fields import regular_fields, trivial_fields
from equimorph.models.head import CircularMask, Normalise
from equimorph.models.limits import RESNET_STEM_KERNEL, resnet_padding
from equimorph.steerable.batch_norm import InnerBatchNorm
from equimorph.steerable.convolution import SteerableConv, plane
from equimorph.steerable.group_pool import GroupPool

# S1's bottleneck widens by 2, not by 4 as He et al. do.
BOTTLENECK_EXPANSION = 2


def build(arguments: dict[str, Any], classes: int) -> nn.Module:
    """Build the network from a specification's arguments."""
    group, blocks = parse_group(arguments.pop("group")), tuple(arguments.pop("blocks"))
    return E2ResNet(group=group, blocks=blocks, classes=classes, **arguments)


class Residual(nn.Module):
    """The rectified sum of two branches."""

    def __init__(self, branch: enn.SequentialModule, shortcut: enn.EquivariantModule):
        """Keep the branches.

        Args:
            branch: convolutions and norms.
            shortcut: a map between the same fields as `branch`.
        """
        super().__init__()
        self.branch = branch
        self.shortcut = shortcut
        self.relu = enn.ReLU(branch.out_type, inplace=True)

    def forward(self, fields: enn.GeometricTensor) -> enn.GeometricTensor:
        """Apply both branches to the same fields."""
        return self.relu(self.branch(fields) + self.shortcut(fields))


class E2ResNet(nn.Module):
    """Steerable stem, four stages of residual blocks, pooling over space and group, linear layer.

    The logits do not change under the elements of the group that the pixel grid allows.
    """

    def __init__(
        self,
        group: Group,
        blocks: tuple[int, int, int, int],
        bottleneck: bool,
        base_width: int,
        input_size: int,
        classes: int,
    ):
        """Build the network with its convolutions' weights at zero.

        Args:
            group: the group that acts on the hidden fields.
            blocks: residual blocks per stage: (2, 2, 2, 2) is ResNet18 with basic blocks,
                (3, 4, 6, 3) ResNet50 with bottlenecks.
            bottleneck: 1x1, 3x3, 1x1 convolutions with twice the fields at the end, instead of
                two 3x3.
            base_width: regular fields, of |G| channels each, in the stem and inside the blocks of
                the first stage; every later stage doubles them. S1's ResNet50s have 64, its
                ResNet18s 54 and, for C1, 80; the 40 and 28 that it sets for C4 and D4 have no
                effect. About 80 / sqrt(|G|) keeps the parameters of the C1 network.
            input_size: side of the images in px.
            classes: number of logits.

        Raises:
            InputError: the input size does not keep rotations by 90 degrees exact.
        """
        super().__init__()
        space = plane(group)
        self.input_type = trivial_fields(space, 3)
        stem_type = regular_fields(space, base_width)
        self.normalise, self.mask = Normalise(), CircularMask(input_size)
        padding = resnet_padding(input_size)
        self.stem = enn.SequentialModule(
            *_conv_norm(self.input_type, stem_type, RESNET_STEM_KERNEL, 2, padding),
            enn.ReLU(stem_type, inplace=True),
            enn.PointwiseMaxPool(stem_type, kernel_size=3, stride=2, padding=1),
        )
        make_block = _bottleneck if bottleneck else _basic
        residuals: list[Residual] = []
        field_type = stem_type
        for stage, count in enumerate(blocks):
            for block in range(count):
                stride = 2 if stage > 0 and block == 0 else 1
                residuals.append(make_block(field_type, base_width * 2**stage, stride))
                field_type = residuals[-1].branch.out_type
        self.blocks = nn.Sequential(*residuals)
        self.space_pool = enn.PointwiseAdaptiveAvgPool(field_type, 1)
        self.group_pool = GroupPool(field_type)
        self.classifier = nn.Linear(len(field_type), classes)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Map (B, 3, size, size) pixel values 0-255 to (B, classes) logits."""
        fields = enn.GeometricTensor(self.mask(self.normalise(images)), self.input_type)
        pooled = self.group_pool(self.space_pool(self.blocks(self.stem(fields))))
        return self.classifier(pooled.tensor.flatten(1))


def _basic(in_type: enn.FieldType, fields: int, stride: int) -> Residual:
    inner_type = regular_fields(in_type.gspace, fields)
    branch = enn.SequentialModule(
        *_conv_norm(in_type, inner_type, 3, stride, 1),
        enn.ReLU(inner_type, inplace=True),
        *_conv_norm(inner_type, inner_type, 3, 1, 1),
    )
    return Residual(branch, _shortcut(in_type, inner_type, stride))


def _bottleneck(in_type: enn.FieldType, fields: int, stride: int) -> Residual:
    inner_type = regular_fields(in_type.gspace, fields)
    out_type = regular_fields(in_type.gspace, BOTTLENECK_EXPANSION * fields)
    branch = enn.SequentialModule(
        *_conv_norm(in_type, inner_type, 1, 1, 0),
        enn.ReLU(inner_type, inplace=True),
        *_conv_norm(inner_type, inner_type, 3, stride, 1),
        enn.ReLU(inner_type, inplace=True),
        *_conv_norm(inner_type, out_type, 1, 1, 0),
    )
    return Residual(branch, _shortcut(in_type, out_type, stride))


def _shortcut(
    in_type: enn.FieldType, out_type: enn.FieldType, stride: int
) -> enn.EquivariantModule:
    if stride == 1 and in_type == out_type:
        return enn.IdentityModule(in_type)
    return enn.SequentialModule(*_conv_norm(in_type, out_type, 1, stride, 0))


def _conv_norm(
    in_type: enn.FieldType, out_type: enn.FieldType, kernel_size: int, stride: int, padding: int
) -> list[enn.EquivariantModule]:
    conv = SteerableConv(in_type, out_type, kernel_size, stride, padding)
    return [conv, InnerBatchNorm(out_type)]
