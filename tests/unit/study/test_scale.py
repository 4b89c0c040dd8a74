"""A shrunken study keeps its models and rules; everything is smaller, down to what works."""

import json

import pytest
import torch

from equimorph.models.head import circular_mask
from equimorph.models.initialisation import initialise
from equimorph.models.matching import gcnn_trunk
from equimorph.models.registry import build
from equimorph.seeds import WEIGHTS, stream
from equimorph.study.config import check_config
from equimorph.study.models import resolve
from equimorph.study.published_models import PUBLISHED, published_size
from equimorph.study.scale import scaled
from equimorph.study.yaml_files import merged, read_yaml
from tests.conftest import ROOT
from tests.unit.networks import random_images

PRESETS = ["galaxy10", "images", "pandya2023", "cbfocal-ecnn", "deepcnn5", "cnn-vs-vit"]
SCALES = [0.01, 0.03, 0.1, 0.2, 0.35, 0.5, 0.7, 0.9, 0.99]
PUBLISHED_PRESETS = [f"published/{name}" for name in PRESETS[2:]]
MERGED = ["images extensions/architectures", "published/pandya2023 published/s1-networks"]
# What is executed takes a second or two to match, so not at all of them.
ANY_SCALE = [(p, s) for p in (None, *PRESETS, *PUBLISHED_PRESETS, *MERGED) for s in SCALES]
ANY_SCALE += [("galaxy10-48px", scale) for scale in (0.01, 0.5)]


def study(config, presets=None, **changes):
    for preset in (presets or "").split():
        config = merged(config, read_yaml(ROOT / f"workflow/presets/{preset}.yaml"))
    return {**config, **changes}


def test_scale_1_changes_nothing(config):
    assert scaled(study(config)) == study(config)


@pytest.mark.parametrize("preset", PRESETS)
def test_presets_are_good_and_can_be_shrunk(config, schema, preset):
    full = study(config, preset, scale=0.01)
    check_config(full, schema)
    small = scaled(full)
    assert small["train"]["models"] == full["train"]["models"]
    assert small["train"]["epochs"] == max(1, round(0.01 * full["train"]["epochs"]))
    for name in small["train"]["models"]:
        before = resolve(name, full["models"], full["network"])
        after = resolve(name, small["models"], small["network"])
        assert after["architecture"] == before["architecture"]
        assert after["input_size"] < before["input_size"]
        assert after.get("weights") is None


@pytest.mark.parametrize(("preset", "scale"), ANY_SCALE)
def test_every_preset_can_be_shrunk_to_any_scale(config, schema, preset, scale):
    """Each network has a size, and is matched where it can be: no job learns that it cannot."""
    full = study(config, preset, scale=scale)
    check_config(full, schema)
    small = scaled(full)
    networks = [resolve(n, small["models"], small["network"]) for n in small["train"]["models"]]
    # Points of a label curve share theirs.
    for specification in {json.dumps(n, sort_keys=True): n for n in networks}.values():
        if specification["architecture"] == "gcnn":
            assert gcnn_trunk(specification, 10).fields


def test_a_network_keeps_its_matching_where_it_is_wide_enough(config):
    matches = {}
    for scale in (0.01, 0.9):
        small = scaled(study(config, scale=scale))
        matches[scale] = resolve("D8", small["models"], small["network"])["match"]
    assert matches == {0.01: "fields", 0.9: "macs"}


def test_tokens_and_heads_stay_where_patches_shrink(config):
    models = {"T": {"architecture": "vit", "patch": 13, "dim": 64, "heads": 4, "mlp": 100}}
    config = study(config, scale=0.5, models=models)
    config["train"]["models"] = ["T"]
    small = scaled(config)
    after = resolve("T", small["models"], small["network"])
    assert after["input_size"] // after["patch"] == 65 // 13
    assert (after["patch"], after["heads"], after["dim"], after["mlp"]) == (7, 4, 32, 50)


@pytest.mark.parametrize("name", [name for name in PUBLISHED if "ResNet26" not in name])
def test_every_network_of_the_catalogue_is_built_from_its_name(config, name):
    config["scale"], config["train"]["models"] = 0.01, [name]
    config["network"] |= {"match": "fields", "input_size": published_size(name)}
    small = scaled(config)
    specification = resolve(name, small["models"], small["network"])
    network = build(specification, 10).eval()
    initialise(network, stream(0, WEIGHTS))
    assert all(parameter.isfinite().all() for parameter in network.parameters())
    images = random_images(specification["input_size"])
    images[1] = images[0].where(circular_mask(len(images[0, 0])) > 0, 0)
    with torch.no_grad():
        asymmetry = [torch.zeros(2, 1)] if specification.get("asymmetry") else []
        logits = network(images, *asymmetry)
    torch.testing.assert_close(logits[0], logits[1])  # no network sees the corners


def test_epochs_of_a_models_own_recipe_are_fewer_too(config):
    config["train"]["overrides"] = {"D4": {"epochs": 150}, "CNN": {"learning_rate": 1}}
    small = scaled(study(config, scale=0.1))
    assert small["train"]["overrides"] == {"D4": {"epochs": 15}, "CNN": {"learning_rate": 1}}


def test_attacks_are_smaller_too(config):
    attack = config["analyses"]["attack"]
    attack.update(victims=100, population=400, generations=200)
    small = scaled({**config, "scale": 0.1})["analyses"]["attack"]
    assert (small["victims"], small["population"], small["generations"]) == (10, 40, 20)
    tiny = scaled({**config, "scale": 0.001})["analyses"]["attack"]
    assert (tiny["victims"], tiny["population"], tiny["generations"]) == (2, 4, 1)
