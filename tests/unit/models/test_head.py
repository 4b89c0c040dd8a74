"""The first layers that all networks share: masks and normalisations."""

import pytest
import torch
from torchvision.transforms import functional

from equimorph.groups.escnn import enn
from equimorph.groups.names import parse_group
from equimorph.models.head import NORMALISATIONS, Normalise, circular_mask, escnn_mask
from equimorph.steerable.convolution import plane


def test_mask_is_a_symmetric_disc():
    mask = circular_mask(65)
    assert torch.equal(mask, mask.rot90(1)) and torch.equal(mask, mask.flip(0))
    assert mask[32, 32] == 1 and mask[0, 0] == 0 and mask[32, 2] == 1
    assert mask.sum().item() == pytest.approx(torch.pi * (32.5 * 0.98) ** 2, rel=0.01)


@pytest.mark.parametrize("size", [64, 255])
def test_the_hard_mask_is_escnns(size):
    space = plane(parse_group("C4"))
    colours = enn.FieldType(space, 3 * [space.trivial_repr])
    torch.testing.assert_close(escnn_mask(size), enn.MaskModule(colours, size, margin=1).mask[0, 0])


@pytest.mark.parametrize(
    ("name", "mean", "deviation"),
    [
        ("symmetric", 3 * [0.5], 3 * [0.5]),
        ("unit", 3 * [0.0], 3 * [1.0]),
        ("imagenet", [0.485, 0.456, 0.406], [0.229, 0.224, 0.225]),
    ],
)
def test_published_normalisations_are_torchvisions(name, mean, deviation):
    images = torch.randint(256, (2, 3, 5, 5), dtype=torch.uint8)
    expected = functional.normalize(images / 255, mean, deviation)
    found = Normalise(*NORMALISATIONS[name])(images)
    torch.testing.assert_close(found, expected)
