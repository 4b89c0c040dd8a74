"""Pooling over the group: escnn's function in every precision, and of no images."""

import pytest
import torch

from equimorph.groups.escnn import enn
from equimorph.groups.names import parse_group
from equimorph.steerable.convolution import plane
from equimorph.steerable.group_pool import GroupPool


@pytest.fixture(params=["rr", "ttrrr", "rtr"])
def field_type(request):
    """Trivial and regular fields in some order."""
    space = plane(parse_group("C4"))
    kinds = {"t": space.trivial_repr, "r": space.regular_repr}
    return enn.FieldType(space, [kinds[kind] for kind in request.param])


def pooled(pool, maps):
    """Return the pooled maps and the gradient by the maps."""
    maps = maps.clone().requires_grad_()
    result = pool(enn.GeometricTensor(maps, pool.in_type)).tensor
    (result * torch.linspace(1, 2, result.shape[1])[:, None, None]).sum().backward()
    return result.detach(), maps.grad


def test_equals_escnn_and_its_gradient_where_channels_are_equal(field_type):
    maps = torch.randn(3, field_type.size, 5, 7, generator=torch.Generator().manual_seed(0)).relu()
    ours, theirs = GroupPool(field_type), enn.GroupPooling(field_type)
    assert ours.out_type == theirs.out_type
    assert ours.evaluate_output_shape(maps.shape) == theirs.evaluate_output_shape(maps.shape)
    for found, expected in zip(pooled(ours, maps), pooled(theirs, maps), strict=True):
        assert torch.equal(found, expected)


@pytest.mark.parametrize("dtype", [torch.float64, torch.float16, torch.bfloat16])
def test_the_precision_stays(field_type, dtype):
    maps = torch.randn(2, field_type.size, 3, 3, dtype=dtype)
    result = GroupPool(field_type)(enn.GeometricTensor(maps, field_type)).tensor
    assert result.dtype == dtype
    assert result.amax() == maps.amax()


def test_under_autocast_it_is_float32(field_type):
    maps = torch.randn(2, field_type.size, 3, 3).bfloat16()
    pool = GroupPool(field_type)
    with torch.autocast("cpu", torch.bfloat16):
        result = pool(enn.GeometricTensor(maps, field_type)).tensor
    assert result.dtype == torch.float32
    assert torch.equal(result, pool(enn.GeometricTensor(maps.float(), field_type)).tensor)


def test_no_images(field_type):
    none = enn.GeometricTensor(torch.empty(0, field_type.size, 3, 3), field_type)
    assert GroupPool(field_type)(none).tensor.shape == (0, len(field_type), 3, 3)


def test_tensors_without_values_are_pooled_for_their_shape(field_type):
    """`equimorph describe` counts operations on them."""
    maps = torch.empty(2, field_type.size, 3, 3, device="meta")
    result = GroupPool(field_type)(enn.GeometricTensor(maps, field_type)).tensor
    assert result.shape == (2, len(field_type), 3, 3)
