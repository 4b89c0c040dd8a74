"""Which form each steerable convolution takes, and what the sparse ones spare."""

import pytest
import torch
from torch import nn

from equimorph.groups.names import parse_group
from equimorph.models.architectures.gcnn import GCNN
from equimorph.models.trunk import Trunk
from equimorph.steerable.chosen_forms import chosen_methods, spared_macs
from equimorph.steerable.irrep_conv import use_irrep_convolutions

BLACK = (torch.zeros(1, 3, 33, 33),)


def network(group, fields):
    trunk = Trunk(fields=fields, pool_after=(), stem_stride=1)
    return GCNN(parse_group(group), trunk, 33, "pool", 10)


def test_methods_of_a_network_are_told():
    methods = chosen_methods(network("D4", (2, 32, 2)), BLACK, batch=8, gradients=True)
    assert list(methods) == ["blocks.0", "blocks.3", "blocks.6"]
    assert methods["blocks.0"] == "dense"


def test_what_is_spared_is_the_difference_of_both_forms():
    built = network("D8", (16, 16))
    assert chosen_methods(built, BLACK, 32, gradients=True)["blocks.3"] == "sparse"
    sparse = built.blocks[3].sparse[0]
    fields, order, pixels = 16, 16, 33**2
    dense = (fields * order) ** 2 * 9 * pixels
    mixing = fields**2 * sparse.form.mixing_macs
    bases = 2 * fields * order**2
    executed = (mixing + bases + fields * sparse.operations) * pixels
    first = spared_macs(built, BLACK, 32) - (dense - executed)
    assert chosen_methods(built, BLACK, 32, gradients=True)["blocks.0"] == "dense"
    assert first == 0


def test_dense_and_plain_networks_spare_nothing():
    assert spared_macs(use_irrep_convolutions(network("D8", (16, 16)), "dense"), BLACK, 32) == 0
    assert spared_macs(nn.Conv2d(3, 4, 3), BLACK, 32) == 0


def test_the_mode_of_the_network_stays():
    built = network("C2", (2, 2)).train()
    spared_macs(built, BLACK, 4)
    assert built.training


@pytest.mark.parametrize("batch", [1, 64])
def test_the_count_is_per_image(batch):
    built = network("D8", (24, 24))
    assert spared_macs(built, BLACK, batch) == spared_macs(built, BLACK, 2 * batch)
