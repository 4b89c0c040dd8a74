"""Tests of S3's DeepCNN-5Block."""

import pytest
import torch
from torch import nn

from equimorph.errors import InputError
from equimorph.models.architectures.deepcnn5 import DeepCNN5
from equimorph.models.counting import count_parameters
from tests.unit.networks import random_images, spoil


def initialised(seed):
    network = DeepCNN5(32, 10)
    network.initialise(torch.Generator().manual_seed(seed))
    return network


def test_published_parameters_at_256_px():
    with torch.device("meta"):
        network = DeepCNN5(256, 10)
    assert count_parameters(network) == 76_091_946
    assert network.classifier[0].in_features == 32_768


@pytest.mark.parametrize("size", [32, 65, 100])
def test_logits_at_sizes_that_pools_round_down(size):
    network = DeepCNN5(size, 7).eval()
    with torch.no_grad():
        assert network(random_images(size)).shape == (2, 7)


def test_too_small_images_are_refused():
    with pytest.raises(InputError, match="input_size 31: .* the smallest is 32"):
        DeepCNN5(31, 10)


def test_weights_follow_the_generator_alone():
    network = DeepCNN5(32, 10)
    spoil(network)
    before = torch.get_rng_state()
    network.initialise(torch.Generator().manual_seed(1))
    assert torch.equal(torch.get_rng_state(), before)
    state = network.state_dict()
    again, other = initialised(1).state_dict(), initialised(2).state_dict()
    assert all(torch.equal(state[name], again[name]) for name in state)
    for name in ("blocks.0.weight", "classifier.12.weight"):
        assert not torch.equal(state[name], other[name])


def test_published_distributions():
    network = initialised(0)
    for module in network.modules():
        if isinstance(module, nn.Linear):
            assert module.weight.std().item() == pytest.approx(0.01, rel=0.2)
            assert not module.bias.any()
        elif isinstance(module, nn.Conv2d):
            fan_out = module.weight[:, 0].numel()
            assert module.weight.std().item() == pytest.approx((2 / fan_out) ** 0.5, rel=0.1)
            assert not module.bias.any()
    assert network.blocks[0].weight.std().item() == pytest.approx(0.083, rel=0.05)


def test_every_parameter_learns():
    network = initialised(0)
    network.train()(random_images(32, 4)).square().sum().backward()
    for name, parameter in network.named_parameters():
        assert parameter.grad is not None and parameter.grad.isfinite().all(), name
