"""Networks built from their specifications: masks, exact sizes, copies, precisions, no images."""

import copy
import pickle

import pytest
import torch

from equimorph.errors import InputError
from equimorph.evaluation.equivariance import measure_equivariance
from equimorph.groups.names import parse_group, symmetry
from equimorph.models.initialisation import initialise
from equimorph.models.registry import build
from equimorph.study.models import resolve
from equimorph.study.scale import scaled
from equimorph.study.yaml_files import merged, read_yaml
from tests.conftest import ROOT
from tests.unit.networks import galaxies, initialised, inputs, settled, train_a_little


def test_masks_of_a_network(network_defaults):
    inside = {}
    for mask in ("soft", "hard", "none"):
        network = build(
            resolve("CNN", {}, {**network_defaults, "input_size": 255, "mask": mask}), 2
        )
        seen = network.mask(network.normalise(torch.full((1, 3, 255, 255), 77.3)))
        assert seen.max().item() == pytest.approx(1)
        inside[mask] = (seen[0, 0] > 0.5).sum().item()
    assert inside["hard"] == 49_677
    assert inside["soft"] == pytest.approx(torch.pi * (127.5 - 2.55) ** 2, rel=1e-3)
    assert inside["none"] == 255**2


def preset_models(root):
    """Yield each model of a preset, or of the default study, whose group holds turns by 90 degrees.

    Its size is the preset's, its widths are small.
    """
    default = read_yaml(root / "config.yaml")
    for preset in (None, "images", "galaxy10", "pandya2023", "cbfocal-ecnn", "deepcnn5"):
        overlay = read_yaml(root / f"workflow/presets/{preset}.yaml") if preset else {}
        config = merged(default, overlay)
        network = {**config["network"], "width": 0.1, "match": "fields", "features": 1}
        for name in config["train"]["models"]:
            specification = resolve(name, config["models"], network)
            group, order = symmetry(specification)
            if group and order and parse_group(group).rotations % 4 == 0:
                yield pytest.param(specification, id=f"{preset or 'demo'}-{name}")


@pytest.mark.parametrize("trained", [False, True], ids=["random", "trained"])
@pytest.mark.parametrize("specification", preset_models(ROOT))
def test_exact_at_the_size_of_each_preset(specification, trained):
    network = build(specification, 10)
    initialise(network, torch.Generator().manual_seed(3))
    images = galaxies(specification["input_size"], count=3)
    if trained:
        train_a_little(network, images)
    settled(network, images)
    images, *measured = inputs(network, images)
    found = measure_equivariance(network, images, torch.zeros(3), [90, 180, 270], measured)
    assert max(found["error"]) <= 1e-4
    if parse_group(specification["group"]).reflections:
        assert found["reflected"]["error"] <= 1e-4


BLACK = {"auto": -37.3 / 40, "symmetric": -1, "unit": 0, "imagenet": -0.485 / 0.229}


@pytest.mark.parametrize("name", BLACK)
def test_normalisation_of_a_network(network_defaults, name):
    """The study's is that of every network; without one, each has its own."""
    defaults = {**network_defaults, "normalise": name}
    tuned = {"architecture": "backbone", "backbone": "resnet18", "weights": "imagenet"}
    expected = {"CNN": BLACK[name], "Tuned": BLACK["imagenet" if name == "auto" else name]}
    for model, value in expected.items():
        network = build(resolve(model, {"Tuned": tuned}, defaults), 2)
        black = network.normalise(torch.zeros(1, 3, 2, 2))
        assert black[0, 0, 0, 0].item() == pytest.approx(value)


def test_a_normalisation_that_there_is_not(network_defaults):
    specification = resolve("CNN", {}, {**network_defaults, "normalise": "max"})
    with pytest.raises(InputError, match="network.normalise 'max': allowed are auto, symmetric"):
        build(specification, 2)


@pytest.fixture(
    params=["CNN", "C4", "D4", "SO2", "O2", "E2ResNet18-D4", "E2WRN16-8-D8-D4-D1"]
    + ["CBFocal-ECNN", "CBFocal-CNN", "DeepCNN5", "ViT", "CNN-orbit"]
)
def live(request, config):
    """A small network of each kind in evaluation mode, and what it takes of three images."""
    config["scale"], config["train"]["models"] = 0.01, [request.param]
    small = scaled(config)
    specification = resolve(request.param, small["models"], small["network"])
    network = initialised(specification)
    images = galaxies(specification["input_size"], count=3)
    return settled(network, images, least=0), inputs(network, images.round().to(torch.uint8))


@torch.no_grad()
def test_a_pickled_network_is_the_same_and_learns(live):
    network, given = live
    again = pickle.loads(pickle.dumps(network))
    assert torch.equal(again(*given), network(*given))
    with torch.enable_grad():
        again.train()(*given).logsumexp(1).sum().backward()
    assert all(parameter.grad is not None for parameter in again.parameters())


@pytest.mark.parametrize(
    ("dtype", "tolerance"), [(torch.float64, 1e-4), (torch.float16, 0.1), (torch.bfloat16, 0.5)]
)
@torch.no_grad()
def test_a_network_computes_in_the_precision_of_its_weights(live, dtype, tolerance):
    network, given = live
    expected = network(*given)
    logits = copy.deepcopy(network).to(dtype)(*given)
    assert logits.dtype == dtype
    torch.testing.assert_close(logits.float(), expected, rtol=tolerance, atol=tolerance)


@torch.no_grad()
def test_of_no_images_there_are_no_logits(live):
    network, given = live
    assert network(*(one[:0] for one in given)).shape == (0, 10)
