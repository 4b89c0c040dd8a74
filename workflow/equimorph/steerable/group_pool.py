"""Pooling over the group: the largest channel of each field."""

from itertools import groupby

import torch

from equimorph.groups.escnn import enn
from equimorph.steerable.context import is_autocast


class GroupPool(enn.EquivariantModule):
    """escnn's GroupPooling, in the precision of what it is given, and for no images, too.

    Under autocast it returns float32, as escnn's always does, so that what follows is the same.
    """

    def __init__(self, in_type: enn.FieldType):
        """Build the pool for fields of one type, each with one invariant channel afterwards."""
        super().__init__()
        self.in_type = in_type
        space = in_type.gspace
        self.out_type = enn.FieldType(space, len(in_type) * [space.trivial_repr])
        # How many fields of how many channels follow one another.
        sizes = groupby(field.size for field in in_type.representations)
        self.runs = [(len(list(fields)), size) for size, fields in sizes]

    def forward(self, fields: enn.GeometricTensor) -> enn.GeometricTensor:
        """Map (B, C, H, W) to (B, fields, H, W)."""
        assert fields.type == self.in_type
        maps = fields.tensor
        parts = maps.split([number * size for number, size in self.runs], dim=1)
        largest = [
            part.unflatten(1, run).max(dim=2).values
            for part, run in zip(parts, self.runs, strict=True)
        ]
        pooled = torch.cat(largest, dim=1) if len(largest) > 1 else largest[0]
        if is_autocast(maps):
            pooled = pooled.float()
        return enn.GeometricTensor(pooled, self.out_type, fields.coords)

    def evaluate_output_shape(self, input_shape: tuple[int, ...]) -> tuple[int, ...]:
        """Return the shape that maps of a shape are pooled to."""
        return input_shape[0], len(self.in_type), *input_shape[2:]
