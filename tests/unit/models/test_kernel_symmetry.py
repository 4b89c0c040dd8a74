"""Kernels of exported networks: stored once per orbit, and expanded to what they were."""

import pytest
import torch
from torch import nn

from equimorph.groups.names import parse_group
from equimorph.models.export import export
from equimorph.models.kernel_symmetry import expand, moves, reduced
from equimorph.study.models import resolve
from tests.jobs import TRUNK
from tests.unit.networks import initialised

GROUPS = ["C1", "C2", "C4", "C8", "C16", "D1", "D2", "D4", "D8"]


def kernels(name):
    """Return the kernels of an exported network with drawn weights."""
    network = export(initialised(resolve(name, {}, TRUNK)))
    convolutions = [part for part in network.modules() if isinstance(part, nn.Conv2d)]
    return [part.weight.detach() for part in convolutions if part.groups == 1]


@pytest.mark.parametrize("name", GROUPS)
def test_escnns_kernels_are_those_of_their_first_channels(name):
    """The smallest stored part: one channel per orbit of the moves that a pixel grid allows."""
    symmetry = moves(parse_group(name))
    for kernel in kernels(name):
        stored = reduced(kernel, symmetry)
        assert len(stored) * len(symmetry) == len(kernel)
        assert torch.allclose(expand(stored, symmetry), kernel, atol=1e-6)


def test_the_moves_are_a_group():
    for name in GROUPS:
        symmetry = moves(parse_group(name))
        permutations = {move.permutation for move in symmetry}
        assert symmetry[0].permutation == tuple(range(parse_group(name).order))
        for one in symmetry:
            products = {tuple(one.permutation[p] for p in other) for other in permutations}
            assert products == permutations


def test_kernels_without_the_symmetry_are_not_reduced():
    symmetry = moves(parse_group("D4"))
    (_, kernel, _) = kernels("D4")
    spoilt = kernel.clone()
    spoilt[3, 5, 0, 1] += 0.1 * kernel.abs().max()
    assert reduced(kernel, symmetry) is not None
    assert reduced(spoilt, symmetry) is None
    assert reduced(torch.randn(12, 8, 3, 3), symmetry) is None  # one and a half fields
    assert reduced(torch.randn(8, 12, 3, 3), symmetry) is None
    assert reduced(kernels("C8")[1], moves(parse_group("D4"))) is None
