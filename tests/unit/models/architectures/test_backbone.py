"""Tests of the backbones of torchvision and timm."""

import hashlib
import importlib.util
import io
import re

import pytest
import torch
from torch import nn
from torchvision.models import get_model

from equimorph.errors import InputError
from equimorph.models.architectures import backbone
from equimorph.models.architectures.backbone import (
    IMAGENET_MEAN,
    IMAGENET_SCALE,
    LAST_LAYER,
    Backbone,
    load_published,
    weights_url,
)
from equimorph.models.checkpoint import learned_state, load_learned_state
from equimorph.models.counting import count_parameters
from equimorph.models.head import circular_mask
from equimorph.models.pretrained import digest_in_name
from tests.servers import Server, serve
from tests.unit.networks import random_images, spoil

NEEDS_TIMM = pytest.mark.skipif(
    importlib.util.find_spec("timm") is None, reason="timm is not installed"
)
NAMES = [pytest.param(n, marks=NEEDS_TIMM if n == "resnet26" else ()) for n in LAST_LAYER]

# All parameters with ten classes, and those of the head alone.
PARAMETERS = {
    "resnet18": (11_181_642, 5_130),
    "resnet50": (23_528_522, 20_490),
    "wide_resnet50_2": (66_854_730, 20_490),
    "densenet121": (6_964_106, 10_250),
    "vgg16": (134_301_514, 119_586_826),
    "vgg19": (122_829_898, 102_805_514),
    "resnet26": (13_966_666, 20_490),
}


def initialised(name, trainable="all", seed=0):
    network = Backbone(name, None, trainable, 33, 10)
    network.initialise(torch.Generator().manual_seed(seed))
    return network


@pytest.mark.parametrize("name", NAMES)
def test_parameters_and_those_of_the_head(name):
    with torch.device("meta"):
        trainable = [count_parameters(Backbone(name, None, t, 224, 10)) for t in ("all", "head")]
    assert tuple(trainable) == PARAMETERS[name]


@pytest.mark.parametrize("size", [33, 65])
@pytest.mark.parametrize("name", NAMES)
def test_logits_at_small_sizes(name, size):
    with torch.device("meta"):
        network = Backbone(name, None, "all", size, 7)
    assert network(random_images(size).to("meta")).shape == (2, 7)


@pytest.mark.parametrize(
    ("name", "trainable", "head"),
    [
        ("resnet18", "head", ["Linear"]),
        ("resnet50", "all", ["Linear"]),
        ("resnet50", "head", ["Dropout", "Linear"]),
        ("vgg16", "head", [*2 * ["Linear", "ReLU", "Dropout"], "Linear"]),
        ("vgg19", "all", ["Linear", "ReLU", "Dropout", "Linear"]),
    ],
)
def test_heads_are_the_published_ones(name, trainable, head):
    with torch.device("meta"):
        network = Backbone(name, None, trainable, 224, 10)
    assert [type(layer).__name__ for layer in network.head] == head
    dropouts = {layer.p for layer in network.head if isinstance(layer, nn.Dropout)}
    assert dropouts <= {0.5 if name == "vgg19" else 0.2}


@pytest.mark.parametrize("name", ["resnet18", NAMES[-1]])
def test_weights_follow_the_generator_alone(name):
    before = torch.get_rng_state()
    network = Backbone(name, None, "all", 33, 10)
    spoil(network)
    network.initialise(torch.Generator().manual_seed(1))
    assert torch.equal(torch.get_rng_state(), before)
    state = network.state_dict()
    again, other = initialised(name, seed=1).state_dict(), initialised(name, seed=2).state_dict()
    assert all(torch.equal(state[key], again[key]) for key in state)
    first = next(iter(state))
    assert not torch.equal(state[first], other[first])
    assert not torch.equal(state["head.0.weight"], other["head.0.weight"])


def test_biases_of_drawn_convolutions_are_zero():
    vgg_block = nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU())
    backbone._draw_trunk(vgg_block, torch.Generator().manual_seed(0))
    assert not vgg_block[0].bias.any()


def train_a_step(network):
    network.train()
    optimiser = torch.optim.SGD(network.parameters(), lr=0.1)
    network(random_images(33, 4)).square().sum().backward()
    optimiser.step()


def changed(network, before):
    now = network.state_dict()
    return {name.split(".")[0] for name in now if not torch.equal(now[name], before[name])}


@pytest.mark.parametrize(("trainable", "moved"), [("all", {"trunk", "head"}), ("head", {"head"})])
def test_a_frozen_trunk_keeps_weights_and_batch_norm_statistics(trainable, moved):
    network = initialised("resnet18", trainable)
    before = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    train_a_step(network)
    assert changed(network, before) == moved
    statistics = "trunk.bn1.running_mean"
    assert torch.equal(network.state_dict()[statistics], before[statistics]) == (
        trainable == "head"
    )


def test_modes_of_a_frozen_network():
    network = initialised("resnet18", "head")
    assert network.train() is network
    assert network.head.training and not any(m.training for m in network.trunk.modules())
    assert not network.eval().head.training


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("resnet17", None, "all", 64), "backbone 'resnet17': allowed are resnet18, resnet50"),
        (("resnet18", "galaxies", "all", 64), "weights 'galaxies': allowed are null, imagenet"),
        (("resnet18", None, "none", 64), "trainable 'none': allowed are all, head"),
        (("resnet18", None, "all", 31), "input_size 31: .* the smallest is 32"),
    ],
)
def test_other_arguments_are_refused(arguments, message):
    with pytest.raises(InputError, match=message):
        Backbone(*arguments, 10)


@pytest.mark.skipif(importlib.util.find_spec("timm") is not None, reason="timm is installed")
def test_without_timm_the_error_says_how_to_get_it():
    with pytest.raises(InputError, match="backbone resnet26: needs the optional package timm"):
        Backbone("resnet26", None, "head", 64, 10)


@pytest.mark.parametrize("name", NAMES)
def test_published_files_carry_their_digest(name):
    url = weights_url(name)
    assert url.startswith("https://") and len(digest_in_name(url)) == 8


def published(name: str) -> dict[str, torch.Tensor]:
    """Weights in the form of the published file, from another seed."""
    generator = torch.Generator().manual_seed(9)
    with torch.random.fork_rng():
        state = get_model(name, weights=None).state_dict()
    return {
        key: torch.rand(tensor.shape, generator=generator) if tensor.is_floating_point() else tensor
        for key, tensor in state.items()
    }


def test_published_weights_come_in_when_the_network_is_initialised(monkeypatch, tmp_path):
    wanted = published("resnet18")
    buffer = io.BytesIO()
    torch.save(wanted, buffer)
    content = buffer.getvalue()
    server = Server(content)
    digest = hashlib.sha256(content).hexdigest()[:8]
    url = server.url.replace("file.h5", f"resnet18-{digest}.pth")
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    monkeypatch.setenv("EQUIMORPH_CACHE", str(tmp_path))
    monkeypatch.setattr(backbone, "weights_url", lambda name: url)
    with serve(server):
        network = Backbone("resnet18", "imagenet", "head", 33, 10)
        assert server.ranges == []  # a trained checkpoint is loaded without the network
        network.initialise(torch.Generator().manual_seed(1))
    trunk = network.trunk.state_dict()
    assert trunk.keys() == {key for key in wanted if not key.startswith("fc.")}
    assert all(torch.equal(trunk[key], wanted[key]) for key in trunk)
    head = network.head[0].weight.clone()
    assert head.shape == (10, 512) and head.std() > 0
    network.initialise(torch.Generator().manual_seed(1))  # from the cache
    assert torch.equal(head, network.head[0].weight)
    assert len(server.ranges) == 1


def test_a_trained_checkpoint_needs_no_published_weights(monkeypatch, tmp_path):
    monkeypatch.setenv("EQUIMORPH_CACHE", str(tmp_path))
    trained, loaded = (Backbone("resnet18", "imagenet", "head", 33, 10) for _ in range(2))
    train_a_step(trained)
    trained.eval(), loaded.eval()
    load_learned_state(loaded, learned_state(trained))
    assert not list(tmp_path.iterdir())
    with torch.no_grad():
        assert torch.equal(loaded(random_images(33)), trained(random_images(33)))


def test_dotted_names_of_densenets_file():
    wanted = published("densenet121")
    dotted = {
        re.sub(r"(denselayer\d+\.(?:norm|conv))([12])\.", r"\1.\2.", key): tensor
        for key, tensor in wanted.items()
        if not key.endswith("num_batches_tracked")  # nor does the file have these
    }
    assert "features.denseblock1.denselayer1.norm.1.weight" in dotted
    trunk = Backbone("densenet121", "imagenet", "head", 33, 10).trunk
    load_published(trunk, "densenet121", dotted)
    state = trunk.state_dict()
    assert all(torch.equal(state[key], wanted[key]) for key in state)


def test_weights_of_another_network_are_refused():
    trunk = Backbone("resnet18", "imagenet", "all", 33, 10).trunk
    with pytest.raises(InputError, match="do not fit resnet18"):
        load_published(trunk, "resnet18", {"features.0.weight": torch.zeros(1)})


def test_pixel_values_of_drawn_and_published_weights():
    def seen_by(weights):
        network = Backbone("resnet18", weights, "all", 33, 10)
        # Neither part is stored: a checkpoint holds what is learned.
        assert not network.normalise.state_dict() and not network.mask.state_dict()
        return network.mask(network.normalise(random_images(33)))

    mask, drawn, seen = circular_mask(33), seen_by(None), seen_by("imagenet")
    assert torch.equal(drawn, (random_images(33).float() - 37.3) / 40.0 * mask)
    mean, scale = (torch.tensor(s)[:, None, None] for s in (IMAGENET_MEAN, IMAGENET_SCALE))
    torch.testing.assert_close(seen, (random_images(33) - mean) / scale * mask)
    assert seen[0, :, 16, 16].tolist() != drawn[0, :, 16, 16].tolist()


@pytest.mark.parametrize("update_norms", [False, True])
def test_a_frozen_trunk_may_follow_the_training_images_by_its_statistics(update_norms):
    """S4's weights stay, the running statistics of its batch norms do not."""
    network = Backbone("resnet18", None, "head", 33, 10, update_norms)
    network.initialise(torch.Generator().manual_seed(0))
    before = {name: tensor.clone() for name, tensor in learned_state(network).items()}
    network.train()
    network(random_images(33, 4))
    after = learned_state(network)
    changed = {name for name in after if not torch.equal(before[name], after[name])}
    assert bool(changed) == update_norms
    assert all("running_" in name or "num_batches" in name for name in changed)
    assert not any(parameter.requires_grad for parameter in network.trunk.parameters())
