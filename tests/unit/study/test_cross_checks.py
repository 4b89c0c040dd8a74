"""What no schema can say of a config."""

from importlib.util import find_spec

import pytest

from equimorph.errors import InputError
from equimorph.study.config import check_config
from equimorph.study.recipes import recipe_settings


def test_two_entries_that_define_one_model(config, schema):
    config["models"]["Twin"] = {"architecture": "gcnn", "group": "D4"}
    config["train"]["models"] = ["CNN", "D4", "Twin"]
    with pytest.raises(InputError, match="two entries define the same model, D4 and Twin"):
        check_config(config, schema)


def test_one_architecture_may_be_trained_by_two_recipes(config, schema):
    config["models"]["D4-balanced"] = {"architecture": "gcnn", "group": "D4"}
    config["train"]["models"] = ["CNN", "D4", "D4-balanced"]
    config["train"]["overrides"] = {"D4-balanced": {"sampler": "weighted"}}
    check_config(config, schema)
    recipes = [recipe_settings(config["train"], name) for name in ("D4", "D4-balanced")]
    assert [recipe["sampler"] for recipe in recipes] == ["none", "weighted"]


def test_fold_out_of_range(config, schema):
    config["data"]["split"].update(folds=5, fold=5)
    with pytest.raises(InputError, match=r"data.split.fold: 5 .* below data.split.folds \(5\)"):
        check_config(config, schema)


@pytest.mark.parametrize(
    ("entry", "message"),
    [
        (
            {"architecture": "vit", "patch": 20},
            "patch 20: must divide input_size 65; allowed are 1",
        ),
        ({"architecture": "vit", "patch": 13, "heads": 7}, "heads 7: must divide dim 256; allowed"),
        ({"architecture": "harmonic", "group": "C4"}, "group 'C4': allowed are SO2 and O2"),
        ({"architecture": "harmonic", "group": "O2", "samples": 6}, "samples 6: allowed are the"),
        (
            {"architecture": "e2wrn", "groups": ["D1", "D4", "D8"]},
            "D4 is no subgroup of D1; allowed are chains that shrink",
        ),
        (
            {"architecture": "e2wrn", "groups": ["D8", "D4", "D1"], "depth": 17},
            r"depth 17: allowed are 10, 16, 22, 28",
        ),
        (
            {"architecture": "e2wrn", "groups": ["D8", "D4", "D1"], "input_size": 66},
            "input size 66: not exact .* the nearest sizes that work are",
        ),
        (
            {"architecture": "e2resnet", "group": "C4", "input_size": 64},
            "input size 64: not exact .* the nearest sizes that work are",
        ),
        ({"architecture": "cbfocal_ecnn", "input_size": 64}, "input size 64: not exact"),
    ],
)
def test_what_cannot_be_built_is_told_before_any_job(config, schema, entry, message):
    config["models"]["X"] = entry
    config["train"]["models"] = ["CNN", "X"]
    with pytest.raises(InputError, match=f"config: train.models: .*{message}"):
        check_config(config, schema)


@pytest.mark.skipif(bool(find_spec("timm")), reason="timm is installed")
def test_a_backbone_of_timm_needs_timm(config, schema):
    config["train"]["models"] = ["CNN", "Probe-ResNet26"]
    with pytest.raises(InputError, match="resnet26: needs the optional package timm"):
        check_config(config, schema)


def test_class_weights_are_one_per_class(config, schema):
    config["train"]["loss"]["class_weights"] = [1, 2.5]
    with pytest.raises(
        InputError, match=r"train.loss.class_weights: 2 numbers are not .* the 10 data"
    ):
        check_config(config, schema)
    config["train"]["loss"]["class_weights"] = 10 * [1]
    check_config(config, schema)
    own = {"kind": "focal", "gamma": 0, "class_weights": 9 * [1.0], "beta": 0.9}
    config["train"]["overrides"] = {"D4": {"loss": own}}
    with pytest.raises(InputError, match=r"train.overrides.D4.loss.class_weights: 9 numbers"):
        check_config(config, schema)
