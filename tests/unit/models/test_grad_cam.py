"""Grad-CAM: captum's for plain networks, and turned maps of turned images for invariant ones."""

import pytest
import torch
from torch import nn

from equimorph.errors import InputError
from equimorph.models.export import export
from equimorph.models.grad_cam import features_and_gradients, grad_cam, weighed
from equimorph.study.models import ARCHITECTURES, resolve
from tests.unit.networks import galaxies, initialised, inputs, prepared, settled

SMALL = {"fields": [2, 4, 4, 4], "pool_after": [2, 4]}
# Of each architecture a small one; the published sizes take seconds.
OWN = {
    "ViT": {"architecture": "vit", "patch": 13, "dim": 32, "heads": 4, "mlp": 32, "layers": 2},
    "E2ResNet": {"architecture": "e2resnet", "group": "C4", "base_width": 2},
    "E2WRN": {"architecture": "e2wrn", "groups": ["C4", "C2", "C1"], "depth": 10, "widen": 1},
    "ResNet18": {"architecture": "backbone", "backbone": "resnet18"},
    "CustomCNN": {"architecture": "custom_cnn", "input_size": 94},
}


def explained(network, images, labels=None):
    labels = torch.arange(len(images)) % 10 if labels is None else labels
    return grad_cam(network, labels, *inputs(network, images))


def turned(images, turns, reflected):
    images = images.rot90(turns, (-2, -1))
    return images.flip(-1) if reflected else images


@pytest.mark.parametrize("name", ["C4", "D4", "C8", "D8", "CBFocal-ECNN", "C4-orbit"])
def test_the_map_of_a_turned_image_is_the_turned_map(name, network_defaults):
    if name == "C4-orbit":
        specification = {**resolve("CNN", {}, {**network_defaults, **SMALL}), "orbit": "C4"}
        network, images = initialised(specification).eval(), galaxies(65)
    else:
        network, images = prepared(name, {**network_defaults, **SMALL}, trained=False)
    maps = explained(network, images)
    assert maps.shape == (len(images), 65, 65) and (maps.amax((1, 2)) <= 1).all()
    assert maps.amax((1, 2)).median() == 1 and maps.std() > 0.05
    for turns in range(4):
        for reflected in (False, True)[: 1 + name.startswith("D")]:
            moved = explained(network, turned(images, turns, reflected).contiguous())
            torch.testing.assert_close(moved, turned(maps, turns, reflected), atol=1e-5, rtol=0)


def test_a_plain_networks_maps_do_not_turn(network_defaults):
    network, images = prepared("CNN", {**network_defaults, **SMALL}, trained=False)
    moved = explained(network, images.rot90(1, (2, 3)).contiguous())
    assert (moved - explained(network, images).rot90(1, (1, 2))).abs().max() > 0.1


@pytest.mark.parametrize(
    ("name", "layer"),
    [("CNN", "blocks"), ("CBFocal-CNN", "blocks"), ("ResNet18", "trunk.layer4")],
)
def test_captum_has_the_same_maps(name, layer, network_defaults):
    captum = pytest.importorskip("captum.attr", reason="captum is an extra of development")
    network = initialised(resolve(name, OWN, {**network_defaults, **SMALL}))
    images = galaxies(65)
    settled(network, images)
    labels = torch.arange(len(images)) % 10
    images, *beside = inputs(network, images.float())
    oracle = captum.LayerGradCam(network.eval(), network.get_submodule(layer))
    theirs = oracle.attribute(
        images, target=labels, additional_forward_args=tuple(beside), relu_attributions=True
    )[:, 0].detach()
    ours = weighed(*features_and_gradients(export(network).eval(), labels, images, beside))
    assert theirs.max() > 0
    torch.testing.assert_close(ours, theirs, atol=1e-4 * theirs.max().item(), rtol=1e-4)


NAMES = ["C4", "CNN", "SO2", "CBFocal-ECNN", "CBFocal-CNN", "DeepCNN5", *OWN]


@pytest.mark.parametrize("name", NAMES)
def test_every_architecture_is_explained(name, network_defaults):
    specification = resolve(name, OWN, {**network_defaults, **SMALL})
    size = specification["input_size"]
    maps = explained(initialised(specification), galaxies(size))
    assert maps.shape == (6, size, size) and maps.isfinite().all()
    assert maps.min() >= 0 and maps.max() == 1


def test_no_architecture_is_left_out(network_defaults):
    tried = {resolve(name, OWN, network_defaults)["architecture"] for name in NAMES}
    assert tried == set(ARCHITECTURES)


def test_a_networks_mode_and_weights_stay(network_defaults):
    network = initialised(resolve("CNN", {}, {**network_defaults, **SMALL})).train()
    explained(network, galaxies(65))
    assert network.training and all(weight.requires_grad for weight in network.parameters())
    assert all(weight.grad is None for weight in network.parameters())


class Spot(nn.Module):
    """Its first logit is the brightness of one map, its second the negative."""

    def __init__(self):
        super().__init__()
        self.map = nn.Conv2d(3, 1, 1, bias=False)
        nn.init.ones_(self.map.weight)

    def forward(self, images):
        """Map pixel values to two logits."""
        brightness = self.map(images).mean((2, 3))
        return torch.cat([brightness, -brightness], dim=1)


def test_what_speaks_for_a_class_is_where_it_is():
    images = torch.zeros(2, 3, 9, 9)
    images[:, :, 2, 6] = 5.0
    maps = grad_cam(Spot(), torch.tensor([0, 1]), images)
    assert maps[0, 2, 6] == 1 and maps[0].sum() == 1
    assert maps[1].sum() == 0  # it speaks against the other class


class Tokens(Spot):
    """The same from the tokens of patches, with or without others before them."""

    def __init__(self, before: int):
        super().__init__()
        self.before = before
        self.norm = nn.LayerNorm(2, elementwise_affine=False, eps=100.0)

    def forward(self, images):
        """Map pixel values to two logits."""
        patches = self.map(images).flatten(2).mT
        tokens = torch.cat([patches, torch.zeros_like(patches)], dim=2)
        tokens = torch.cat([tokens.new_zeros(len(tokens), self.before, 2), tokens], dim=1)
        brightness = self.norm(tokens)[:, self.before :, 0].mean(1, keepdim=True)
        return torch.cat([brightness, -brightness], dim=1)


@pytest.mark.parametrize("before", [0, 1])
def test_tokens_are_the_map_of_their_patches(before):
    images = torch.zeros(1, 3, 9, 9)
    images[:, :, 2, 6] = 5.0
    maps = grad_cam(Tokens(before), torch.tensor([0]), images)
    assert maps[0, 2, 6] == 1 and maps[0].sum() == 1


class LastNorm(Tokens):
    """A second norm sees the token of the class alone."""

    def forward(self, images):
        """Map pixel values to two logits."""
        patches = self.map(images).flatten(2).mT
        tokens = torch.cat([patches, torch.zeros_like(patches)], dim=2)
        tokens = self.norm(torch.cat([tokens.mean(1, keepdim=True), tokens], dim=1))
        brightness = self.norm(tokens.mean(1, keepdim=True))[:, 0, :1]
        return torch.cat([brightness, -brightness], dim=1)


def test_a_norm_of_one_token_is_no_map():
    images = torch.zeros(1, 3, 9, 9)
    images[:, :, 2, 6] = 5.0
    maps = grad_cam(LastNorm(1), torch.tensor([0]), images)
    assert maps[0, 2, 6] == 1 and maps[0].sum() == 1


def test_other_tokens_are_refused():
    with pytest.raises(InputError, match="84 tokens; allowed are those of a square of patches"):
        grad_cam(Tokens(3), torch.tensor([0]), torch.ones(1, 3, 9, 9))


def test_a_network_without_maps():
    with pytest.raises(InputError, match="no feature maps"):
        flat = nn.Sequential(nn.Flatten(), nn.Linear(27, 2))
        grad_cam(flat, torch.zeros(1, dtype=torch.long), torch.ones(1, 3, 3, 3))
