"""Steerable Wide ResNets whose group shrinks between the stages.

Zagoruyko and Komodakis 2016, Wide Residual Networks; steerable with group restriction in Weiler and
Cesa, General E(2)-Equivariant Steerable CNNs, NeurIPS 2019; tried by S1 (arXiv:2311.01500).
"""

from math import sqrt
from typing import Any

import torch
from torch import nn

from equimorph.groups.escnn import enn, gspaces
from equimorph.groups.names import Group, parse_group
from equimorph.models.fields import regular_fields, trivial_fields
from equimorph.models.head import CircularMask, Normalise
from equimorph.models.limits import WRN_STEM_KERNEL, blocks_per_stage, check_chain, wrn_padding
from equimorph.steerable.batch_norm import InnerBatchNorm
from equimorph.steerable.convolution import SteerableConv, plane

STEM_WIDTH = 16
# On a ring of radius r the highest angular frequency is 3 r; escnn's own limit is tighter.
FREQUENCIES_PER_RADIUS = 3.0
NORM_MOMENTUM = 0.1  # share of the newest batch in the running statistics: torch's default


def build(arguments: dict[str, Any], classes: int) -> nn.Module:
    """Build the network from a specification's arguments."""
    first, second, third = map(parse_group, arguments.pop("groups"))
    return E2WideResNet(groups=(first, second, third), classes=classes, **arguments)


class WideBlock(nn.Module):
    """Two convolutions, each after norm and ReLU, with dropout between, added to a shortcut.

    Dropout switches off single entries of regular fields: equivariant in distribution while
    training, and absent in evaluation.
    """

    def __init__(
        self,
        in_type: enn.FieldType,
        inner_type: enn.FieldType,
        out_type: enn.FieldType,
        stride: int,
        dropout: float,
    ):
        """Build the block.

        Args:
            in_type: fields that it reads; under 8 rotations and more its kernels are 5 px wide,
                else 3.
            inner_type: fields between the convolutions.
            out_type: fields that it writes.
            stride: stride of the second convolution and of the shortcut.
            dropout: probability of an entry between the convolutions.
        """
        super().__init__()
        kernel_size = 5 if in_type.gspace.rotations_order >= 8 else 3
        self.activation = _norm_relu(in_type)
        self.branch = enn.SequentialModule(
            _conv(in_type, inner_type, kernel_size, 1),
            *_norm_relu(inner_type),
            enn.PointwiseDropout(inner_type, dropout),
            _conv(inner_type, out_type, kernel_size, stride),
        )
        same = stride == 1 and in_type == out_type
        self.shortcut = None if same else _conv(in_type, out_type, 1, stride)

    def forward(self, fields: enn.GeometricTensor) -> enn.GeometricTensor:
        """Apply the block; a shortcut with weights starts from the activated fields."""
        active = self.activation(fields)
        passed = fields if self.shortcut is None else self.shortcut(active)
        return self.branch(active) + passed


class E2WideResNet(nn.Module):
    """Steerable stem, three stages of wide blocks, invariant fields, pooling over space, linear.

    Each stage is equivariant under its own group. The groups shrink, so the logits do not change
    under the elements of the last group alone, as far as the pixel grid allows them: D8, D4, D4 is
    invariant under rotations by 90 degrees and reflections; D8, D4, D1 only under the reflection of
    D1, which swaps left and right; C8, C4, C1 under nothing, although its first stage is
    equivariant under C8.
    """

    def __init__(
        self,
        groups: tuple[Group, Group, Group],
        depth: int,
        widen: int,
        stem_stride: int,
        dropout: float,
        keep_parameters: bool,
        last_momentum: float,
        input_size: int,
        classes: int,
    ):
        """Build the network with its convolutions' weights at zero.

        Args:
            groups: the group of each stage, a subgroup of the one before.
            depth: 6 n + 4 for n blocks per stage.
            widen: the stages have 16, 32 and 64 times as many channels.
            stem_stride: stride of the first stage, 1 or 2; the later two halve the map.
            dropout: probability, between the convolutions of a block.
            keep_parameters: widen by sqrt(|G|), so that the convolutions have about as many weights
                as the plain network's; otherwise the number of channels is kept.
            last_momentum: share of the newest batch in the running statistics of the last batch
                norm; those of the others follow with torch's 0.1. S1's 0.9, written as if it were
                the share of the past, leaves little more than the last batch.
            input_size: side of the images in px.
            classes: number of logits.

        Raises:
            InputError: the groups do not shrink, no such depth, or the input size does not keep
                rotations by 90 degrees exact.
        """
        super().__init__()
        check_chain(groups)
        blocks = blocks_per_stage(depth)
        space = plane(groups[0])
        self.input_type = trivial_fields(space, 3)
        # The stem has few channels: it always gets the factor, for enough independent filters.
        field_type = _regular(space, STEM_WIDTH, keep_parameters=True)
        self.normalise, self.mask = Normalise(), CircularMask(input_size)
        padding = wrn_padding(input_size, stem_stride)
        self.stem = _conv(self.input_type, field_type, WRN_STEM_KERNEL, 1, padding)
        stages: list[nn.Module] = []
        for stage, (group, stride) in enumerate(zip(groups, (stem_stride, 2, 2), strict=True)):
            before = groups[max(0, stage - 1)]
            if group != before:
                # escnn 1.0.11's DisentangleModule would leave the restricted fields as they are.
                stages.append(enn.RestrictionModule(field_type, _subgroup_id(before, group)))
                field_type = stages[-1].out_type
            width = STEM_WIDTH * 2**stage * widen
            inner_type = _regular(field_type.gspace, width, keep_parameters)
            out_types = blocks * [inner_type]
            if stage == 2:
                out_types[-1] = _trivial(field_type.gspace, width, keep_parameters)
            for block, out_type in enumerate(out_types):
                first = stride if block == 0 else 1
                stages.append(WideBlock(field_type, inner_type, out_type, first, dropout))
                field_type = out_type
        self.stages = nn.Sequential(*stages)
        self.activation = _norm_relu(field_type, last_momentum)
        self.classifier = nn.Linear(field_type.size, classes)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Map (B, 3, size, size) pixel values 0-255 to (B, classes) logits."""
        fields = enn.GeometricTensor(self.mask(self.normalise(images)), self.input_type)
        maps = self.activation(self.stages(self.stem(fields))).tensor
        return self.classifier(maps.mean(dim=(2, 3)))


def _subgroup_id(group: Group, subgroup: Group) -> int | tuple[int | None, int]:
    # escnn names the subgroups of D_N by (axis, rotations), axis 0 its own and None no reflections;
    # those of C_N by the rotations; those of D1, a group of two elements to it, by their order.
    if group.reflections and group.rotations > 1:
        return (0 if subgroup.reflections else None, subgroup.rotations)
    return subgroup.order


def _regular(space: gspaces.GSpace2D, channels: int, keep_parameters: bool) -> enn.FieldType:
    order = space.fibergroup.order()
    factor = sqrt(order) if keep_parameters else 1.0
    return regular_fields(space, max(1, int(channels * factor / order)))


def _trivial(space: gspaces.GSpace2D, channels: int, keep_parameters: bool) -> enn.FieldType:
    factor = sqrt(space.fibergroup.order()) if keep_parameters else 1.0
    return trivial_fields(space, int(channels * factor))


def _norm_relu(field_type: enn.FieldType, momentum: float = NORM_MOMENTUM) -> enn.SequentialModule:
    norm = InnerBatchNorm(field_type, momentum=momentum)
    return enn.SequentialModule(norm, enn.ReLU(field_type, inplace=True))


def _conv(
    in_type: enn.FieldType,
    out_type: enn.FieldType,
    kernel_size: int,
    stride: int,
    padding: int | None = None,
) -> SteerableConv:
    same = kernel_size // 2 if padding is None else padding
    return SteerableConv(in_type, out_type, kernel_size, stride, same, FREQUENCIES_PER_RADIUS)
