"""Multiply-adds that a GCNN really executes, where its convolutions run in the irrep basis.

The dense expansion of a steerable convolution over |G| costs |G|^2 times a plain one between as
many fields; the sparse form of docs/irrep-convolution.md about |G| times. At equal executed cost a
large group therefore has several times the fields that it has at equal dense cost.
"""

from functools import cache

import torch

from equimorph.groups.names import Group
from equimorph.models.counting import TRAINING_BATCH
from equimorph.models.fields import regular_fields, trivial_fields
from equimorph.models.trunk import Trunk, exact_sizes
from equimorph.steerable.convolution import SteerableConv, plane
from equimorph.steerable.irrep_cost import (
    CPU_RATES,
    Call,
    dense_macs,
    is_faster_sparse,
    sparse_macs,
)


def trunk_executed_macs(trunk: Trunk, group: Group, input_size: int) -> int:
    """Return the multiply-adds of the convolutions for one image, as a CPU executes them.

    Each convolution counts in the form, sparse or dense, that a training step in float32 with
    batches of `TRAINING_BATCH` takes.

    Args:
        trunk: the shape of the network.
        group: the group that acts on the hidden fields.
        input_size: side of the images in px.
    """
    widths, total, size = [3, *trunk.fields], 0, input_size
    for block, convolved in enumerate(exact_sizes(trunk, input_size).convolved, start=1):
        stride = trunk.stem_stride if block == 1 else 1
        layer = _one_pair(group, block == 1, trunk.kernel(block))
        call = Call(
            fields=(widths[block - 1], widths[block]),
            sizes=(layer.in_type.size, layer.out_type.size),
            kernel_size=layer.kernel_size,
            weights=layer.weights.numel(),
            input_pixels=TRAINING_BATCH * (size if block == 1 else convolved) ** 2,
            stride=stride,
            gradients=True,
            expanded=False,
        )
        forms = layer.sparse
        if forms is not None and is_faster_sparse(call, forms, CPU_RATES[torch.float32]):
            total += sparse_macs(call, forms[0])
        else:
            total += dense_macs(call)
    return total // TRAINING_BATCH


@cache
def _one_pair(group: Group, stem: bool, kernel_size: int) -> SteerableConv:
    """Return the convolution between one field of each block and one of the next."""
    space = plane(group)
    source = trivial_fields(space, 1) if stem else regular_fields(space, 1)
    return SteerableConv(source, regular_fields(space, 1), kernel_size, 1, kernel_size // 2)
