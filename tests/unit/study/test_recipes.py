"""The training parameters of one model: what all share, and what differs for it."""

import pytest

from equimorph.study.recipes import NOT_OF_RECIPE, recipe_settings


def test_a_models_own_parameters_go_before_the_shared_ones(config):
    config["train"]["overrides"] = {"D4": {"learning_rate": 0.5}}
    plain, own = (recipe_settings(config["train"], model) for model in ("CNN", "D4"))
    assert own == {**plain, "learning_rate": 0.5}
    assert plain["learning_rate"] == config["train"]["learning_rate"]


def test_what_no_result_depends_on_is_left_out(config):
    assert not set(NOT_OF_RECIPE) & set(recipe_settings(config["train"], "CNN"))


@pytest.mark.parametrize(
    ("kind", "kept"),
    [("one_cycle", set()), ("multi_step", {"milestones"}), ("cosine", {"T_0"})],
)
def test_keys_of_other_schedules_are_left_out(config, kind, kept):
    config["train"]["schedule"] = {"kind": kind, "milestones": [5], "T_0": 3}
    assert set(recipe_settings(config["train"], "CNN")["schedule"]) == {"kind", *kept}


def test_what_is_as_ever_is_left_unsaid(config):
    """So that the record of a training is the same as before there were these keys."""
    train = config["train"]
    recipe = recipe_settings(train, "CNN")
    assert not {"keep", "drop_last"} & set(recipe)
    assert not {"fill", "interpolation"} & set(recipe["augmentation"])
    train.update(keep="last", drop_last=False)
    train["augmentation"].update(fill="black", interpolation="nearest")
    said = recipe_settings(train, "CNN")
    augmentation = {**recipe["augmentation"], "fill": "black", "interpolation": "nearest"}
    assert said == {**recipe, "keep": "last", "drop_last": False, "augmentation": augmentation}
