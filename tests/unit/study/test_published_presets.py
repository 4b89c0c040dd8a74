"""The published presets hold the published values, one by one, as the systems' code has them."""

import re

import pytest

from equimorph.study.config import check_config
from equimorph.study.models import resolve
from equimorph.study.recipes import of_the_loop, recipe_settings
from equimorph.study.yaml_files import merged, read_yaml
from tests.conftest import ROOT

FOLDER = ROOT / "workflow/presets/published"

PLAIN_LOSS = {"kind": "focal", "gamma": 0, "class_weights": "none"}
JITTERED_CROP = {"crop_area": [0.8, 1.0], "crop_aspect": 1.3333}
RESAMPLED = {"fill": "black", "interpolation": "nearest"}
STILL = {"rotation": 0, "flip": 0, "scale": 1, "shift": 0, "brightness": 0}
# What no published system has.
WITHOUT = {"ema": None, "mixup": None, "precision": "float32"}

# By preset: seeds; the data's stars and split; what is evaluated.
STUDIES = {
    "pandya2023": {
        "seeds": [42],
        "stars": {"remove": False},
        "split": {"protocol": "legacy_leaky", "seed": 42},
        "conditions": {
            "rotated": {"kind": "rotation", "seed": 1},
            **{
                f"legacy-noise-{level}": [
                    {"kind": "rotation", "seed": 1},
                    {"kind": "noise", "formula": "legacy", "level": level / 100, "seed": 1},
                ]
                for level in (25, 50, 75)
            },
            **{
                f"resolution-{scale}": [
                    {"kind": "rotation", "seed": 1},
                    {"kind": "resolution", "scale": scale / 100, "antialias": False},
                ]
                for scale in (75, 50, 25)
            },
            "white-pixel": [
                {"kind": "rotation", "seed": 1},
                {"kind": "white_pixel", "seed": 1},
            ],
        },
    },
    "cbfocal-ecnn": {
        "seeds": [42],
        "stars": {"remove": True, "kind": "brightest"},
        "split": {
            "protocol": "stratified",
            "seed": 42,
            "train": 0.6,
            "validation": 0.2,
            "test": 0.2,
        },
        "conditions": {},
    },
    "deepcnn5": {
        "seeds": [0],
        "stars": {"remove": False},
        "split": {"protocol": "stratified", "train": 0.8, "validation": 0.2, "test": 0},
        "conditions": {},
    },
    "cnn-vs-vit": {
        "seeds": [42],
        "stars": {"remove": False},
        "split": {
            "protocol": "stratified",
            "seed": 42,
            "train": 0.8,
            "validation": 0.1,
            "test": 0.1,
        },
        "conditions": {},
    },
}

# By preset and model: what the recipe says.
S1 = {
    "optimiser": "adamw",
    "learning_rate": 1e-2,
    "weight_decay": 1e-4,
    "schedule": {"kind": "multi_step", "milestones": [25, 50, 75], "gamma": 0.1},
    "epochs": 100,
    "batch_size": 128,
    "drop_last": False,
    "loss": PLAIN_LOSS,
    "label_smoothing": 0,
    "grad_clip": None,
    "sampler": "none",
    "patience": 15 * 5,
    "validate_every": 5,
    "min_delta": 0,
    "keep": "accuracy",
    # Flips along rows and along columns of 0.3 each: a reflection, but for rotations, if just one.
    "augmentation": {
        **STILL,
        "rotation": 180,
        "flip": pytest.approx(2 * 0.3 * 0.7),
        "shift": 0.1,
        **RESAMPLED,
    },
}
S2 = {
    "optimiser": "adamw",
    "learning_rate": 0.0040175,
    "weight_decay": 0.0088836,
    "schedule": {"kind": "plateau", "monitor": "accuracy", "factor": 0.3, "patience": 7},
    "epochs": 250,
    "batch_size": 16,
    "loss": {
        "kind": "focal",
        "gamma": 1.006795,
        "class_weights": "effective",
        "beta": 0.930867,
        "normalise": False,
    },
    "label_smoothing": 0,
    "grad_clip": 1.0,
    "sampler": "none",
    "patience": 250,
    "keep": "last",
    "augmentation": {
        **STILL,
        "brightness": 0.2,
        "contrast": 0.2,
        "saturation": 0.2,
        "hue": 0.1,
        **JITTERED_CROP,
    },
}
S3 = {
    "optimiser": "adam",
    "learning_rate": 1e-3,
    "weight_decay": 0,
    "schedule": {
        "kind": "plateau",
        "monitor": "loss",
        "factor": 0.5,
        "patience": 2,
        "min_lr": 1e-7,
    },
    "epochs": 100,
    "batch_size": 32,
    "drop_last": False,
    "loss": PLAIN_LOSS,
    "label_smoothing": 0.1,
    "grad_clip": 1.0,
    "sampler": "over",
    "patience": 10,
    "min_delta": 1e-4,
    "keep": "last",
    "augmentation": {
        "rotation": 15,
        "flip": 0.5,
        "scale": 1,
        "shift": 0.1,
        "brightness": 0.2,
        "contrast": 0.2,
        "perspective": 0.2,
        "perspective_share": 0.3,
        **RESAMPLED,
    },
}
S4 = {
    "optimiser": "adam",
    "learning_rate": 1e-3,
    "weight_decay": 0,
    "schedule": {"kind": "constant"},
    "epochs": 300,
    "batch_size": 32,
    "drop_last": False,
    "loss": PLAIN_LOSS,
    "label_smoothing": 0,
    "grad_clip": None,
    "sampler": "none",
    "patience": 15,
    "min_delta": 1e-3,
    "keep": "last",
    "crop": 1.0,
    "augmentation": {
        "rotation": 30,
        "flip": 0.5,
        "scale": 1,
        "shift": 0,
        "brightness": 0.1,
        "contrast": 0.1,
        "saturation": 0.1,
        "hue": 0.02,
        **JITTERED_CROP,
        **RESAMPLED,
    },
}
VIT = {
    **S4,
    "optimiser": "adamw",
    "learning_rate": 5e-5,
    "weight_decay": 1e-4,
    "epochs": 150,
    "batch_size": 16,
    "patience": 20,
    "min_delta": 1e-4,
    "keep": "loss",
    "augmentation": {**STILL, "rotation": 20, "flip": 0.5, **RESAMPLED},
}
PROBES = ("Probe-ResNet18", "Probe-ResNet50", "Probe-VGG16", "Probe-VGG19")
GROUPS = ("C1", "C2", "C4", "C8", "C16", "D1", "D2", "D4", "D8", "D16")
RECIPES = {
    "pandya2023": dict.fromkeys(("CNN", *GROUPS), S1),
    "cbfocal-ecnn": dict.fromkeys(("CBFocal-CNN", "CBFocal-ECNN"), S2),
    "deepcnn5": {"DeepCNN5": S3},
    "cnn-vs-vit": {
        "CustomCNN": {**S4, "batch_size": 16},
        "ViT": VIT,
        **dict.fromkeys(PROBES, S4),
    },
}

# By preset and model: what the specification says. Half is mean and deviation of 0.5 each.
HALF, CORNERS = {"normalise": "symmetric"}, {"mask": "none"}
S1_TRUNK = {
    "input_size": 255,
    "crop": 1.0,
    "antialias": False,
    "fields": [12, 24, 48, 48, 48, 48, 96, 96, 96, 112, 192],
    "pool_after": [2, 4, 7, 9, 11],
    "kernel_size": 3,
    "stem_stride": 2,
    "width": 1.0,
    "head": "flatten",
    **HALF,
}
S4_IMAGES = {"input_size": 224, "crop": 224 / 256, "normalise": "imagenet", **CORNERS}
S4_PROBE = {**S4_IMAGES, "weights": "imagenet", "trainable": "head", "update_norms": True}
NETWORKS = {
    "pandya2023": {
        "CNN": {**S1_TRUNK, **CORNERS},
        **{
            group: {**S1_TRUNK, "mask": "hard", "match": "fields", "group": group}
            for group in GROUPS
        },
    },
    "cbfocal-ecnn": {
        "CBFocal-ECNN": {
            "input_size": 256,
            "crop": 1.0,
            "mask": "hard",
            "asymmetry": "published",
            "exact": False,
            "group": "C4",
            "mixed_fields": [4, 8, 12, 16, 20],
            "field_dropout": [0.1, 0.1, 0.15, 0.15, 0.2],
            **HALF,
        },
        "CBFocal-CNN": {
            "input_size": 256,
            "crop": 1.0,
            "asymmetry": "published",
            **HALF,
            **CORNERS,
        },
    },
    "deepcnn5": {"DeepCNN5": {"input_size": 256, "crop": 1.0, "normalise": "unit", **CORNERS}},
    "cnn-vs-vit": {
        "CustomCNN": S4_IMAGES,
        "ViT": {
            "input_size": 200,
            "crop": 1.0,
            "patch": 25,
            "dim": 256,
            "heads": 8,
            "mlp": 1024,
            "layers": 6,
            "dropout": 0.1,
            **HALF,
            **CORNERS,
        },
        **{name: {**S4_PROBE, "backbone": name[6:].lower()} for name in PROBES},
    },
}


def published(config, name, *others):
    for one in (name, *others):
        config = merged(config, read_yaml(FOLDER / f"{one}.yaml"))
    return config


@pytest.mark.parametrize("name", STUDIES)
def test_data_and_conditions_are_the_published_ones(config, schema, name):
    study, expected = published(config, name), STUDIES[name]
    check_config(study, schema)
    assert study["study"] == f"{name}-published" and study["scale"] == 1
    assert study["data"]["source"] == "galaxy10"
    for part in ("stars", "split"):
        given = study["data"][part]
        assert {key: given[key] for key in expected[part]} == expected[part]
    assert not any(study["data"]["split"]["at_most"].values())
    assert study["data"]["split"]["folds"] is None
    assert study["evaluate"]["conditions"] == ["clean", *expected["conditions"]]
    chosen = {key: study["conditions"][key] for key in expected["conditions"]}
    assert chosen == expected["conditions"]
    assert study["train"]["seeds"] == expected["seeds"]
    assert set(study["train"]["models"]) == set(RECIPES[name]) == set(NETWORKS[name])


CASES = [(preset, model) for preset, recipes in RECIPES.items() for model in recipes]


@pytest.mark.parametrize(("preset", "model"), CASES)
def test_the_recipe_is_the_published_one(config, preset, model):
    found = of_the_loop(recipe_settings(published(config, preset)["train"], model))
    # What a recipe leaves unsaid, and keys that the published system has no value for.
    unsaid = {"keep": "loss", "drop_last": True, "min_delta": 0, "crop": None, "momentum": 0.9}
    unsaid |= {"validate_every": 1}
    expected = {**unsaid, **WITHOUT, **RECIPES[preset][model]}
    found = {**unsaid, **found}
    if expected["loss"] == PLAIN_LOSS:
        del found["loss"]["beta"]  # of config.yaml; no class is weighted
    assert found == expected


@pytest.mark.parametrize(("preset", "model"), CASES)
def test_the_network_is_the_published_one(config, preset, model):
    study = published(config, preset)
    found = {"antialias": True, **resolve(model, study["models"], study["network"])}
    expected = NETWORKS[preset][model]
    assert {key: found[key] for key in expected} == expected


def test_overlays_of_published_presets_are_good(config, schema):
    """Each says how it is called; ResNet26's needs a package, which its check asks for."""
    presets = {path.stem for path in FOLDER.glob("*.yaml")}
    for name in sorted(presets - set(STUDIES)):
        text = (FOLDER / f"{name}.yaml").read_text()
        (base, overlay) = re.findall(r'PRESET="published/(\S+) published/(\S+)"', text)[0]
        assert overlay == name and base in STUDIES
        study = published(config, base, name)
        if name != "s4-resnet26":
            check_config(study, schema)
        for model in study["train"]["models"]:
            resolve(model, study["models"], study["network"])


def test_the_search_of_s2(config):
    search = published(config, "cbfocal-ecnn", "s2-search")["search"]
    pruner = {"kind": "hyperband", "min_resource": 5, "max_resource": 100, "reduction_factor": 3}
    assert {key: search["pruner"][key] for key in pruner} == pruner
    spans = {
        key: (span["low"], span["high"], span.get("log") or False)
        for key, span in search["space"].items()
        if span is not None
    }
    assert spans == {
        "learning_rate": (1e-5, 1e-2, True),
        "weight_decay": (1e-5, 1e-2, True),
        "loss.gamma": (1, 5, False),
        "loss.beta": (0.9, 0.9999, False),
        "schedule.T_0": (5, 20, False),
        "schedule.T_mult": (1, 2, False),
        "schedule.eta_min": (1e-8, 1e-5, True),
    }


def test_the_balanced_sets_of_s4(config):
    split = published(config, "cnn-vs-vit", "s4-balanced")["data"]["split"]
    assert split["at_most"] == {"train": 267, "validation": 66, "test": 66}
    assert (split["train"], split["validation"], split["test"]) == (0.8, 0.2, 0)


def test_every_preset_of_a_published_system_names_its_published_form(root):
    for name in STUDIES:
        corrected = (root / f"workflow/presets/{name}.yaml").read_text()
        head = corrected.split("\nstudy:")[0]
        assert f"PRESET=published/{name}" in head
        assert f"PRESET=published/{name}" in (FOLDER / f"{name}.yaml").read_text()
