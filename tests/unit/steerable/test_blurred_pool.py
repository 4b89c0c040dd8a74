"""The blurred pool: escnn's function, and its gradient in bfloat16."""

import pytest
import torch

from equimorph.groups.escnn import enn
from equimorph.groups.names import parse_group
from equimorph.steerable.blurred_pool import SIGMA, BlurredPool
from equimorph.steerable.convolution import plane


@pytest.fixture(scope="module")
def field_type():
    space = plane(parse_group("C4"))
    return enn.FieldType(space, [space.trivial_repr, space.regular_repr])


def pooled(pool, maps, gradient, *, bfloat16):
    """Return the pooled maps and the gradient by the maps."""
    maps = maps.clone().requires_grad_()
    with torch.autocast("cpu", torch.bfloat16, enabled=bfloat16):
        result = pool(enn.GeometricTensor(maps, pool.in_type)).tensor
    result.backward(gradient.to(result.dtype))
    return result.detach(), maps.grad


@pytest.mark.parametrize(
    ("height", "width", "padding"),
    [
        *((33, 33, None), (16, 16, None), (5, 8, None), (2, 3, None), (1, 1, None)),
        *((33, 33, 1), (64, 64, 1), (4, 9, 1), (6, 5, 0)),
    ],
)
def test_equals_escnn_in_both_precisions(field_type, height, width, padding):
    draw = torch.Generator().manual_seed(1)
    maps = torch.randn(2, field_type.size, height, width, generator=draw)
    ours = BlurredPool(field_type, padding)
    theirs = enn.PointwiseAvgPoolAntialiased(field_type, SIGMA, stride=2, padding=padding)
    pooled_shape = theirs.evaluate_output_shape(tuple(maps.shape))
    gradient = torch.randn(pooled_shape, generator=draw).bfloat16()
    expected, expected_gradient = pooled(theirs, maps, gradient, bfloat16=False)

    result, slope = pooled(ours, maps, gradient, bfloat16=False)
    torch.testing.assert_close(result, expected, rtol=0, atol=0)
    torch.testing.assert_close(slope, expected_gradient, rtol=0, atol=0)

    result, slope = pooled(ours, maps, gradient, bfloat16=True)
    assert (result.dtype, slope.dtype) == (torch.bfloat16, torch.float32)
    torch.testing.assert_close(result.float(), expected, rtol=2e-2, atol=2e-2)
    torch.testing.assert_close(slope, expected_gradient, rtol=2e-2, atol=2e-2)


def test_gradient_in_bfloat16_is_exact_to_one_unit_of_bfloat16(field_type):
    draw = torch.Generator().manual_seed(2)
    maps = torch.randn(4, field_type.size, 33, 33, generator=draw)
    gradient = torch.randn(4, field_type.size, 17, 17, generator=draw).bfloat16()
    escnns = enn.PointwiseAvgPoolAntialiased(field_type, SIGMA, stride=2).double()
    _, exact = pooled(escnns, maps.double(), gradient, bfloat16=False)
    _, ours = pooled(BlurredPool(field_type), maps, gradient, bfloat16=True)
    assert (ours - exact).norm() < torch.finfo(torch.bfloat16).eps * exact.norm()
