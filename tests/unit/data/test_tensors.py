"""From memory-mapped images to what a network takes."""

import numpy as np
import pytest
import torch
from torchvision.transforms import functional

from equimorph.data.tensors import network_input


def images(side=64, count=3):
    return np.random.default_rng(0).integers(0, 256, (count, side, side, 3), dtype=np.uint8)


def test_same_size_is_the_same_image():
    taken = images(65)
    expected = torch.from_numpy(taken).permute(0, 3, 1, 2)
    assert torch.equal(network_input(taken, 65), expected)


@pytest.mark.parametrize("crop", [1.0, 0.6])
@pytest.mark.parametrize("size", [33, 65])
def test_it_commutes_with_quarter_turns(size, crop):
    turned = network_input(np.rot90(images(), axes=(1, 2)), size, crop).float()
    expected = network_input(images(), size, crop).rot90(1, (2, 3)).float()
    assert (turned - expected).abs().max() <= 1


def test_crop_keeps_the_centre():
    taken = np.zeros((1, 64, 64, 3), np.uint8)
    taken[:, 16:48, 16:48] = 200
    assert (network_input(taken, 33, 0.5) == 200).all()
    assert (network_input(taken, 33, 1.0) == 0).any()


def test_blocks_make_no_difference():
    assert torch.equal(network_input(images(), 33, block=2), network_input(images(), 33))


@pytest.mark.parametrize("antialias", [True, False])
@pytest.mark.parametrize("size", [33, 63])
def test_smoothing_is_torchvisions(size, antialias):
    taken = images()
    expected = functional.resize(
        torch.from_numpy(taken).permute(0, 3, 1, 2).float(), [size, size], antialias=antialias
    )
    assert torch.equal(network_input(taken, size, antialias=antialias), expected.round().byte())
