"""Batch norm of fields is escnn's, and takes no images, too."""

import torch

from equimorph.groups.escnn import enn
from equimorph.groups.names import parse_group
from equimorph.steerable.batch_norm import InnerBatchNorm
from equimorph.steerable.convolution import plane


def test_equals_escnn_and_of_no_images_learns_nothing():
    space = plane(parse_group("D4"))
    field_type = enn.FieldType(space, [space.trivial_repr, space.regular_repr])
    maps = torch.randn(3, field_type.size, 5, 5, generator=torch.Generator().manual_seed(0))
    ours, theirs = InnerBatchNorm(field_type), enn.InnerBatchNorm(field_type)
    results = [norm(enn.GeometricTensor(maps, field_type)).tensor for norm in (ours, theirs)]
    assert torch.equal(*results)
    before = {name: value.clone() for name, value in ours.state_dict().items()}
    assert before.keys() == theirs.state_dict().keys()
    none = enn.GeometricTensor(maps[:0], field_type)
    assert ours(none).tensor.shape == (0, field_type.size, 5, 5)
    assert all(torch.equal(value, before[name]) for name, value in ours.state_dict().items())
