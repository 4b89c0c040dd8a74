"""Feature maps turn with the image where the network is equivariant, and nowhere else."""

import pytest
import torch
from torch import nn

from equimorph.models.feature_maps import feature_maps
from tests.unit.networks import prepared

SMALL = {"fields": [2, 4, 4, 4], "pool_after": [2, 4]}


@pytest.mark.parametrize(("name", "turns"), [("C4", True), ("D4", True), ("CNN", False)])
def test_maps_of_the_turns(name, turns, network_defaults):
    network, images = prepared(name, {**network_defaults, **SMALL}, trained=False)
    maps = feature_maps(network, images[0])
    assert list(maps) == ["first", "middle", "last"]
    assert maps["first"].shape[1] > maps["last"].shape[1] > 1
    for each in maps.values():
        back = torch.stack([each[quarter].rot90(-quarter, (0, 1)) for quarter in range(4)])
        error = (back - back[0]).abs().max() / back[0].std()
        assert (error < 1e-4) == turns


def test_the_mean_over_channels():
    network = nn.Sequential(nn.Conv2d(3, 2, 1, bias=False), nn.Conv2d(2, 4, 1, bias=False))
    image = torch.rand(3, 5, 5)
    maps = feature_maps(network, image)
    first = network[0](image[None])[0].mean(0)
    torch.testing.assert_close(maps["first"][0], first.detach())
    torch.testing.assert_close(maps["first"][1], first.detach().rot90(1, (0, 1)))


def test_a_network_without_convolutions_has_none():
    assert feature_maps(nn.Sequential(nn.Flatten(), nn.Linear(27, 2)), torch.ones(3, 3, 3)) == {}
