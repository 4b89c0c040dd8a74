"""A bad config stops with one message that names the key and what is allowed."""

import math
import re

import pytest

from equimorph.errors import InputError
from equimorph.study.config import check_config
from equimorph.study.yaml_files import merged, read_yaml


def put(config, key, value):
    """Set a dotted key."""
    *parents, last = key.split(".")
    for parent in parents:
        config = config[parent]
    config[last] = value


def test_the_default_config_is_good(config, schema):
    check_config(config, schema)


BAD = [
    ("train.lr", 0.1, r"train: unknown key lr; allowed are augmentation, batch_size, crop, device"),
    ("study", "a b", r"study: 'a b' is not allowed; it must be a text of the form"),
    ("data.images.pixel_scale", math.nan, r"pixel_scale: nan is not allowed; it must be of type n"),
    ("data.split.radius_arcsec", math.inf, r"radius_arcsec: inf is not allowed"),
    ("data.split.radius_arcsec", 1e6, r"radius_arcsec: 1000000.0 .* maximum 648000"),
    ("data.split.test", math.nan, r"data.split.test: nan is not allowed"),
    ("data.split.similarity", 0.2, r"similarity: 0.2 .* minimum 0.5"),
    ("data.split.folds", 10**9, r"data.split.folds: 1000000000 .* maximum 1000"),
    ("data.split.seed", 2**64, r"data.split.seed: 18446744073709551616 .* maximum 922337203685477"),
    ("data.simulated.per_class", 12.0, r"per_class: 12.0 .* of type integer .* Write 12 instead"),
    ("data.simulated.per_class", "12", r"per_class: '12' .* as a text: write 12 instead"),
    ("data.simulated.per_class", True, r"per_class: True .* of type integer"),
    ("data.simulated.per_class", 10**40, r"per_class: 10+ is not allowed"),
    ("data.simulated.per_class", 10**5, r"per_class 100000 and size 65 make images of 11.8 GiB"),
    ("data.stars.seed", 3.0, r"data.stars.seed: 3.0 is not allowed; it must be of type integer"),
    ("data.classes", ["-a", "b"], r"data.classes.0: '-a' is not allowed; .* no hyphen in front"),
    ("data.classes", ["a{x}", "b"], r"data.classes.0: 'a{x}' is not allowed"),
    ("data.classes", ["a\nb", "b"], r"data.classes.0: 'a\\nb' is not allowed"),
    ("data.classes", ["a\n", "b"], r"data.classes.0: 'a\\n' is not allowed"),
    ("data.classes", ["a" * 61, "b"], r"data.classes.0: 'a+' .* maxLength 60"),
    ("data.images.folder", "", r"data.images.folder: '' is not allowed"),
    ("data.images.folder", "a\0b", r"data.images.folder: 'a\\x00b' is not allowed"),
    ("data.galaxy10.mirrors", ["https://a b"], r"mirrors.0: 'https://a b' is not allowed"),
    ("data.galaxy10.mirrors", ["https://a/{x}"], r"mirrors.0: 'https://a/{x}' is not allowed"),
    ("train.models", ["CNN", "D3"], r"train.models: group 'D3': allowed are C1, C2, C4"),
    ("train.models", ["CNN", "foo"], r"model 'foo': allowed are a group's name"),
    ("train.models", ["CNN", "D4", "D4"], r"train.models: D4 stands twice"),
    ("train.seeds", [], r"train.seeds: \[\] is not allowed; it must be a list of at least 1"),
    ("train.seeds", [0, 0], r"train.seeds: .* uniqueItems"),
    ("train.learning_rate", "1e-3", r"learning_rate: '1e-3' .* write 0.001 instead"),
    ("train.precision", "float16", r"precision: 'float16' .* one of float32, bfloat16"),
    (
        "train.world_size",
        3,
        r"train.world_size: 3 .* batch size of every model, which for CNN is 32",
    ),
    ("train.patience", 10_000, r"train.patience: 10000 .* at most train.epochs"),
    ("data.split.test", 0.3, r"data.split: train \+ validation \+ test add up to 1.1"),
    ("data.split.folds", 1, r"data.split.folds: 1 is not allowed"),
    ("data.source", "sdss", r"data.source: 'sdss' .* one of simulated, galaxy10, images"),
    ("network.input_size", 64, r"input size 64: not exact .* \[33, 63, 65, 95\]"),
    ("models.X", {"architecture": "vit", "group": "D4"}, r"models.X: group is no argument of vit"),
    ("models.X", {"architecture": "gcnn"}, r"models.X.group is missing; gcnn needs one"),
    ("models.X", {"architecture": "e2wrn", "groups": ["D8", "D3", "D1"]}, r"group 'D3': allowed"),
    ("models.X", {"architecture": "cnn", "orbit": "D5"}, r"group 'D5': allowed are C1"),
    ("network.pool_after", [2, 12], r"pool_after \[2, 12\]: allowed are the blocks 1 to 8"),
    ("models.D4", {"architecture": "cnn"}, r"models.D4: two entries define D4"),
    ("models.X", {"architecture": "mlp"}, r"models.X.architecture: 'mlp' .* one of gcnn, cnn"),
    ("conditions.clean", {"kind": "rotation", "seed": 1}, r"conditions.clean: .* choose another"),
    (
        "conditions.n",
        {"kind": "noise"},
        r"conditions.n: degradation noise: given are the keys none; needed are formula",
    ),
    ("conditions.n", {"kind": "blur"}, r"kind: 'blur' .* one of rotation, noise, resolution"),
    ("scale", 0, r"scale: 0 is not allowed"),
    ("train.overrides", {"D32": {}}, r"train.overrides.D32: this model is not trained"),
    ("train.overrides", {"D4": {"seeds": [1]}}, r"train.overrides.D4: unknown key seeds"),
    ("train.overrides", {"D4": {"epochs": 0}}, r"train.overrides.D4.epochs: 0 is not allowed"),
    ("evaluate.conditions", ["clean", "fog"], r"evaluate.conditions: 'fog' .* clean or one of rot"),
    ("evaluate.reference", "D32", r"evaluate.reference: 'D32' is not trained; allowed"),
]


@pytest.mark.parametrize(("key", "value", "message"), BAD, ids=[f"{k}={v}" for k, v, _ in BAD])
def test_bad_values_are_named(config, schema, key, value, message):
    put(config, key, value)
    if key == "models.X":
        config["train"]["models"] = ["CNN", "X"]
    with pytest.raises(InputError, match=message) as error:
        check_config(config, schema)
    assert str(error.value).startswith("config: ")


def test_missing_keys_are_named(config, schema):
    del config["train"]["epochs"]
    with pytest.raises(InputError, match="train: 'epochs' is a required property; needed are"):
        check_config(config, schema)


@pytest.mark.parametrize("folder", ["-x", "my galaxies", "{a}", "a\nb", "~/galaxies", "'\"$(x)"])
def test_any_folder_may_hold_images(config, schema, folder):
    config["data"]["images"]["folder"] = folder
    check_config(config, schema)


def test_every_key_of_the_schema_is_described(schema):
    def undescribed(node, path):
        for key, child in node.get("properties", {}).items():
            target = schema["$defs"][child["$ref"].rsplit("/", 1)[1]] if "$ref" in child else child
            if not (child.get("description") or target.get("description")):
                yield f"{path}.{key}"
            yield from undescribed(target, f"{path}.{key}")

    assert list(undescribed(schema, "config")) == []


def test_every_preset_is_good(root, schema, config):
    presets = root / "workflow/presets"
    for preset in sorted(presets.glob("*.yaml")):
        study = merged(config, read_yaml(preset))
        check_config(study, schema, [preset])
        assert study["study"] == preset.stem


def test_extensions_add_models_to_a_preset(root, schema, config):
    presets = root / "workflow/presets"
    for extension in sorted((presets / "extensions").glob("*.yaml")):
        (name,) = re.findall(r'make results PRESET="(\S+) extensions/', extension.read_text())
        preset = merged(config, read_yaml(presets / f"{name}.yaml"))
        study = merged(preset, read_yaml(extension))
        check_config(study, schema)
        assert study["study"] == name
        assert set(preset["train"]["models"]) < set(study["train"]["models"])
