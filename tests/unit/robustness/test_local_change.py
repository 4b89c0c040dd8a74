"""Logits of changed pixels: those of the whole image, wherever the pixel is."""

import pytest
import torch

from equimorph.models.export import export
from equimorph.robustness.local_change import LocalChange
from equimorph.study.models import resolve
from tests.unit.networks import galaxies, initialised, inputs, settled

TRUNK = {"fields": [2, 4, 4, 4, 6], "pool_after": [1, 3, 5]}
OWN = {
    "CustomCNN": {"architecture": "custom_cnn", "input_size": 94},
    "ResNet18": {"architecture": "backbone", "backbone": "resnet18"},
    "hard": {"architecture": "gcnn", "group": "C4", "mask": "hard"},
    "ViT": {"architecture": "vit", "patch": 13, "dim": 32, "heads": 4, "mlp": 32, "layers": 1},
}
LOCAL = ["CNN", "C4", "D4", "hard", "CBFocal-ECNN", "CBFocal-CNN", "CustomCNN"]


def prepared(name, defaults):
    specification = resolve(name, OWN, {**defaults, **TRUNK})
    images = galaxies(specification["input_size"], 3).float()
    network = settled(initialised(specification), images).eval()
    return export(network), inputs(network, images)


def changes(size, count=40):
    """Pixels everywhere: at the edges, in the corners, and about the centre."""
    draw = torch.Generator().manual_seed(0)
    pixels = torch.randint(size, (count, 2), generator=draw)
    edge = torch.tensor([0, 1, 2, size // 2, size - 2, size - 1])
    pixels = torch.cat([pixels, torch.cartesian_prod(edge, edge)])
    rows = torch.arange(len(pixels)) % 3
    return rows, pixels, torch.randint(256, (len(pixels), 3), generator=draw).float()


@pytest.mark.parametrize("name", [*LOCAL, "ResNet18", "ViT"])
@torch.inference_mode()
def test_as_the_whole_image_gives_them(name, network_defaults):
    network, (images, *beside) = prepared(name, network_defaults)
    few = 8 if name == "CustomCNN" else 1  # the only wide one
    rows, pixels, colours = (each[::few] for each in changes(images.shape[-1]))
    local = LocalChange(network, images, beside)
    assert bool(local.layers) == (name in LOCAL)
    whole = images[rows]
    whole[torch.arange(len(rows)), :, pixels[:, 0], pixels[:, 1]] = colours
    expected = network(whole, *(each[rows] for each in beside))
    assert (expected - network(images, *beside)[rows]).abs().max() > 1e-3
    torch.testing.assert_close(local.logits(rows, pixels, colours), expected, atol=1e-4, rtol=1e-4)


@torch.inference_mode()
def test_windows_are_small(network_defaults):
    network, (images, *beside) = prepared("CNN", network_defaults)
    local = LocalChange(network, images, beside)
    seen = []
    hooks = [
        module.register_forward_hook(lambda m, given, out: seen.append(given[0].shape[-1]))
        for module in local.rest.modules()
        if isinstance(module, torch.nn.Conv2d)
    ]
    local.logits(*changes(65))
    for hook in hooks:
        hook.remove()
    assert seen and max(seen) < 33  # the first convolution, on 65 px, was local


@torch.inference_mode()
def test_the_network_stays_as_it_is(network_defaults):
    network, (images, *beside) = prepared("C4", network_defaults)
    before = network(images, *beside)
    LocalChange(network, images, beside).logits(*changes(65))
    assert torch.equal(network(images, *beside), before)
