"""Pooling that blurs each channel before it takes every second pixel."""

from typing import Any

import torch
from torch.autograd.function import once_differentiable

from equimorph.groups.escnn import enn
from equimorph.steerable.context import computing_dtype

SIGMA = 0.66  # of the Gaussian in px, as in S1


class BlurredPool(enn.PointwiseAvgPoolAntialiased):
    """escnn's antialiased pool by a factor 2, with a faster gradient in bfloat16 on the CPU.

    There torch's gradient of a convolution per channel takes 12 % of a D4 network's training step.
    The Gaussian is a product of two, so the gradient is also two matrix products, 4 to 17 times as
    fast in bfloat16 and no faster in float32 (tests/benchmarks/blurred_pool.py).
    """

    def __init__(self, in_type: enn.FieldType, padding: int | None = None):
        """Build the pool for fields of one type.

        Args:
            in_type: fields that it pools.
            padding: zeros on each side in px; None is half of the filter, 2.
        """
        super().__init__(in_type, SIGMA, stride=2, padding=padding)

    def forward(self, fields: enn.GeometricTensor) -> enn.GeometricTensor:
        """Map (B, C, H, W) to (B, C, ceil(H / 2), ceil(W / 2)), or by the padding to less."""
        maps = fields.tensor
        if maps.device.type != "cpu" or computing_dtype(maps) != torch.bfloat16:
            return super().forward(fields)
        return enn.GeometricTensor(_Blur.apply(maps, self.filter, self.padding[0]), self.out_type)


class _Blur(torch.autograd.Function):
    """The pool's convolution; its gradient as matrix products along both axes."""

    @staticmethod
    def forward(ctx: Any, maps: torch.Tensor, kernel: torch.Tensor, padding: int) -> torch.Tensor:
        ctx.save_for_backward(kernel[0, 0])
        ctx.side, ctx.dtype, ctx.padding = maps.shape[2:], maps.dtype, padding
        return torch.nn.functional.conv2d(
            maps, kernel, stride=2, padding=padding, groups=len(kernel)
        )

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: torch.Tensor) -> tuple[torch.Tensor, None, None]:
        (kernel,) = ctx.saved_tensors
        profile = kernel.sum(0)
        matrices = {side: _pooling_matrix(profile, side, ctx.padding) for side in set(ctx.side)}
        down, right = (matrices[side].to(gradient.dtype) for side in ctx.side)
        return (down.T @ (gradient @ right)).to(ctx.dtype), None, None


def _pooling_matrix(profile: torch.Tensor, side: int, padding: int) -> torch.Tensor:
    """Return the (pooled side, side) matrix that pools one axis with the taps `profile`."""
    taps = len(profile)
    target = torch.arange((side + 2 * padding - taps) // 2 + 1)[:, None]
    source = 2 * target + torch.arange(taps) - padding
    matrix = profile.new_zeros(len(target), side + 2 * taps)  # room for taps beyond the edges
    matrix.scatter_(1, source + taps, profile.expand(len(target), taps))
    return matrix[:, taps : taps + side]
