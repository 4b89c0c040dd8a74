"""What no schema can say of a config."""

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
