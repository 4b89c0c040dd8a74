"""An old key of a config is answered by its full path and its new name."""

import pytest

from equimorph.errors import InputError
from equimorph.study.config import check_config
from equimorph.study.renamed_keys import OF_A_CONDITION, OF_TRAIN
from equimorph.study.yaml_files import merged

NEW_NAMES = {
    "balancing": "sampler",
    "clip": "grad_clip",
    "least_improvement": "min_delta",
    "processes": "world_size",
    "schedule.lowest_rate": "schedule.min_lr (plateau) or schedule.eta_min (cosine)",
    "schedule.period": "schedule.T_0",
    "schedule.stretch": "schedule.T_mult",
    "schedule.watch": "schedule.monitor",
}


def message(config, schema, overlay):
    with pytest.raises(InputError) as error:
        check_config(merged(config, overlay), schema)
    return str(error.value)


def nested(key):
    """A dotted key of `train` as its user wrote it; the value does not matter."""
    parent, _, last = key.rpartition(".")
    return {parent: {last: 1}} if parent else {last: 1}


def test_every_old_key_is_in_the_tables():
    assert OF_TRAIN == NEW_NAMES and OF_A_CONDITION == {"electrons_per_level": "gain"}


@pytest.mark.parametrize(("old", "new"), NEW_NAMES.items())
def test_an_old_key_is_named_wherever_it_stands(config, schema, old, new):
    places = {
        f"train.{old}": {"train": nested(old)},
        f"train.overrides.D4.{old}": {"train": {"overrides": {"D4": nested(old)}}},
        f"pretrain.recipe.{old}": {"pretrain": {"recipe": nested(old)}},
        f"search.space.{old}": {"search": {"space": {old: {"low": 1, "high": 2}}}},
    }
    for path, overlay in places.items():
        assert message(config, schema, overlay) == f"config: {path} is now called {new}."


def test_the_old_key_of_a_condition(config, schema):
    old = {"electrons_per_level": 0.34}
    for path, overlay in {
        "conditions.noise-25": {"conditions": {"noise-25": old}},
        "conditions.both": {"conditions": {"both": [{"kind": "jpeg"}, old]}},
        "analyses.sweeps.noise": {"analyses": {"sweeps": {"noise": old}}},
    }.items():
        expected = f"config: {path}.electrons_per_level is now called gain."
        assert message(config, schema, overlay) == expected


def test_the_factor_of_multi_step_is_called_gamma(config, schema):
    schedule = {"kind": "multi_step", "milestones": [5], "factor": 0.3}
    expected = "schedule.factor is now called schedule.gamma where the kind is multi_step."
    for path, train in {
        "train": {"schedule": schedule},
        "train.overrides.D4": {"overrides": {"D4": {"schedule": schedule}}},
    }.items():
        assert message(config, schema, {"train": train}) == f"config: {path}.{expected}"
    # Beside gamma it was left of another overlay, as other keys that the kind does not use.
    check_config(merged(config, {"train": {"schedule": {**schedule, "gamma": 0.1}}}), schema)


def test_one_message_names_all_old_keys(config, schema):
    overlay = {"train": {"clip": 1.0, "overrides": {"CNN": {"balancing": "over"}}}}
    assert message(config, schema, overlay) == (
        "config: train.clip is now called grad_clip; "
        "train.overrides.CNN.balancing is now called sampler."
    )


@pytest.mark.parametrize(
    "overlay", [{"train": 3}, {"train": {"overrides": [1]}}, {"search": {"space": None}}]
)
def test_a_config_of_another_form_is_left_to_the_schema(config, schema, overlay):
    assert "is not allowed; it must be" in message(config, schema, overlay)
