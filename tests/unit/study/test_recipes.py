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
