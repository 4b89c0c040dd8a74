"""A shrunken study keeps its models and rules; everything is smaller, down to what works."""

import copy

import pytest
import yaml

from equimorph.models.initialisation import initialise
from equimorph.models.registry import build
from equimorph.seeds import WEIGHTS, stream
from equimorph.study.config import check_config
from equimorph.study.models import resolve
from equimorph.study.published_models import CATALOGUE
from equimorph.study.scale import scaled
from equimorph.study.yaml_files import merged, read_yaml

PRESETS = ["galaxy10", "images", "pandya2023", "cbfocal-ecnn", "deepcnn5", "cnn-vs-vit"]


def study(root, preset=None, **changes):
    config = copy.deepcopy(read_yaml(root / "config.yaml"))
    if preset:
        config = merged(config, read_yaml(root / f"workflow/presets/{preset}.yaml"))
    return {**config, **changes}


def test_scale_1_changes_nothing(root):
    assert scaled(study(root)) == study(root)


@pytest.mark.parametrize("preset", PRESETS)
def test_presets_are_good_and_can_be_shrunk(root, preset):
    schema = yaml.safe_load((root / "workflow/schemas/config.schema.yaml").read_text())
    full = study(root, preset, scale=0.01)
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


@pytest.mark.parametrize("name", [name for name in CATALOGUE if "ResNet26" not in name])
def test_every_network_of_the_catalogue_is_built_from_its_name(root, name):
    config = study(root, scale=0.01)
    config["train"]["models"] = [name]
    config["network"]["match"] = "fields"
    small = scaled(config)
    network = build(resolve(name, small["models"], small["network"]), 10)
    initialise(network, stream(0, WEIGHTS))
    assert all(parameter.isfinite().all() for parameter in network.parameters())
