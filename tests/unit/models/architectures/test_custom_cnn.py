"""Tests of S4's plain network."""

import pytest
import torch
from torch import nn

from equimorph.errors import InputError
from equimorph.models.architectures.custom_cnn import CustomCNN
from equimorph.models.counting import count_macs, count_parameters
from equimorph.models.initialisation import initialise
from tests.unit.networks import random_images, spoil


def initialised(seed, size=94):
    network = CustomCNN(size, 10)
    initialise(network, torch.Generator().manual_seed(seed))
    return network


def test_published_parameters_at_224_px():
    network = CustomCNN(224, 10)
    assert count_parameters(network) == 2_703_498
    assert network.classifier[0].in_features == 1600


@pytest.mark.parametrize("size", [94, 101, 126])
def test_logits_at_sizes_that_pools_round_down(size):
    network = CustomCNN(size, 7)
    with torch.no_grad():
        assert network(random_images(size)).shape == (2, 7)


def test_the_map_is_as_large_as_the_plan_says():
    network = CustomCNN(129, 10)
    with torch.no_grad():
        maps = network.blocks(network.mask(network.normalise(random_images(129, 1))))
    assert maps.flatten(1).shape[1] == network.classifier[0].in_features == 4 * 64


def test_too_small_images_are_refused_with_the_smallest():
    with pytest.raises(InputError, match="input_size 93: .* the smallest is 94"):
        CustomCNN(93, 10)


def test_weights_follow_the_generator_alone():
    network = CustomCNN(94, 10)
    spoil(network)
    before = torch.get_rng_state()
    initialise(network, torch.Generator().manual_seed(1))
    assert torch.equal(torch.get_rng_state(), before)
    state = network.state_dict()
    again, other = initialised(1).state_dict(), initialised(2).state_dict()
    assert all(torch.equal(state[name], again[name]) for name in state)
    assert all(torch.equal(state[n], other[n]) == n.endswith("bias") for n in state)


def test_biases_start_at_zero_and_everything_learns():
    network = initialised(0)
    layers = [m for m in network.modules() if isinstance(m, nn.Conv2d | nn.Linear)]
    assert not any(layer.bias.any() for layer in layers)
    network(random_images(94)).square().sum().backward()
    for name, parameter in network.named_parameters():
        assert parameter.grad.isfinite().all() and parameter.grad.any(), name


def test_multiply_adds_at_94_px():
    kernels = (3 * 512, 512 * 256, 256 * 128, 128 * 128, 128 * 64)
    sides = (92, 44, 20, 8, 2)
    convolved = sum(9 * k * side**2 for k, side in zip(kernels, sides, strict=True))
    linear = 64 * 512 + 512 * 256 + 256 * 128 + 128 * 64 + 64 * 10
    assert count_macs(initialised(0), 94) == convolved + linear
