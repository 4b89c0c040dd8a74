"""The cost model: which form of a convolution is the faster one."""

import torch

from equimorph.steerable.convolution import SteerableConv
from equimorph.steerable.irrep_conv import IrrepConv
from tests.unit.steerable.layers import regular


def test_the_cost_model_prefers_what_is_faster():
    wide = IrrepConv.adopt(SteerableConv(regular("D8", 48), regular("D8", 48), 3, 1, 1))
    narrow = IrrepConv.adopt(SteerableConv(regular("C2", 2), regular("C2", 2), 3, 1, 1))
    for gradients in (True, False):
        for dtype in (torch.float32, torch.bfloat16):
            assert wide.is_sparse((8, 768, 33, 33), dtype, "cpu", gradients)
            assert not narrow.is_sparse((8, 4, 33, 33), dtype, "cpu", gradients)
    assert not wide.is_sparse((8, 768, 33, 33), torch.float64, "cpu", True)
