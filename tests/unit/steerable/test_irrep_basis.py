"""Kernels in the irreps of their fields: escnn's, and sparse."""

import numpy as np
import pytest
import torch

from equimorph.groups.escnn import enn, gspaces
from equimorph.groups.names import parse_group
from equimorph.steerable.convolution import plane
from equimorph.steerable.irrep_basis import NotSparse, sparse_forms
from tests.unit.steerable.layers import (
    escnns,
    kernel_block,
    kernels_of,
    maps,
    ours,
    outputs_and_gradients,
    worst,
)


@pytest.mark.parametrize(
    ("group", "features", "mixing"),
    [("C2", 12, 12), ("C8", 48, 84), ("C16", 96, 180), ("D8", 96, 168), ("D16", 192, 360)],
)
def test_features_and_multiply_adds_of_3x3_kernels(group, features, mixing):
    """Six features per channel; D groups need half of what their irreps' sizes squared give."""
    for sparse in ours(escnns(group, fields=(1, 1))).sparse:
        assert sparse.form.features == features
        assert sparse.form.mixing_macs == mixing


@pytest.mark.parametrize("kernel_size", [3, 4, 5, 7])
@pytest.mark.parametrize("group", ["C1", "C8", "D1", "D8"])
def test_sparse_forms_say_the_kernels_of_escnn(group, kernel_size):
    conv = escnns(group, (kernel_size, 0, 1), fields=(1, 1))
    kernels = kernel_block(conv).sampled_basis
    form, adjoint_form = (sparse.form for sparse in ours(conv).sparse)
    torch.testing.assert_close(kernels_of(form).float(), kernels, rtol=0, atol=2e-6)
    adjoint = kernels.transpose(1, 2).flip(3)
    torch.testing.assert_close(kernels_of(adjoint_form).float(), adjoint, rtol=0, atol=2e-6)


def test_fields_of_other_kinds():
    """Irreps and quotients have a sparse form; slanted bases and tilted mirrors have none."""
    space, tilted = gspaces.flipRot2dOnR2(4), gspaces.flipRot2dOnR2(4, axis=0.3)
    third = gspaces.rot2dOnR2(3)
    slanted = type(space.regular_repr)(
        space.fibergroup,
        "slanted",
        [(0, 0), (1, 1)],
        np.array([[2, 1, 0], [0, 1, 0], [0, 0.5, 1]]),
        supported_nonlinearities=[],
    )
    for place, kind, is_sparse in (
        (third, third.regular_repr, True),
        (space, space.irrep(1, 1), True),
        (space, space.quotient_repr((None, 2)), True),
        (space, slanted, False),
        (tilted, tilted.regular_repr, False),
    ):
        conv = enn.R2Conv(enn.FieldType(place, [kind]), enn.FieldType(place, 2 * [kind]), 3).train()
        mine = ours(conv)
        assert (mine.sparse is not None) == is_sparse
        x = maps(conv)
        assert worst(outputs_and_gradients(mine, x), outputs_and_gradients(conv, x)) < 1e-5


def test_kernels_without_structure_are_refused():
    regular_field = plane(parse_group("C4")).regular_repr
    with pytest.raises(NotSparse):
        sparse_forms(torch.randn(24, 4, 4, 9), regular_field, regular_field)
