"""S2's plain network."""

import pytest

from equimorph.models.architectures.cbfocal_cnn import CBFocalCNN
from equimorph.models.counting import count_parameters
from tests.unit.networks import drawn

SIZE = 33


def test_published_parameters_of_the_plain_network():
    network = CBFocalCNN(input_size=256, classes=10)
    assert count_parameters(network) == 1_740_762
    assert count_parameters(network.blocks) == 1_570_560
    assert count_parameters(network.asymmetry) == 592


def test_the_plain_networks_weights_are_he_uniform():
    weights = drawn(CBFocalCNN(input_size=SIZE, classes=10)).blocks[4].weight
    bound = (6 / (32 * 9)) ** 0.5
    assert weights.abs().max().item() == pytest.approx(bound, rel=0.01)
    assert weights.std().item() == pytest.approx(bound / 3**0.5, rel=0.02)
