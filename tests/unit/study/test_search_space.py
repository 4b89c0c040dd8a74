"""What a search varies: ranges of the config's keys, and the study with values put in."""

import copy

import pytest

from equimorph.errors import InputError
from equimorph.study.config import check_config
from equimorph.study.search_space import (
    Choices,
    Range,
    read_space,
    resolve_trial,
    single_study,
    training_part,
    with_value,
)

BAD = [
    ({"lr": {"low": 0.1, "high": 1.0}}, r"space.lr: train: unknown key lr; allowed are aug"),
    ({"augmentation.zoom": {"low": 0.1, "high": 1.0}}, r"space.augmentation.zoom: .* unknown key"),
    (
        {"grad_clip.norm": {"low": 0.1, "high": 1.0}},
        r"space.grad_clip.norm: train.grad_clip: .* not allowed",
    ),
    ({"epochs": {"low": 1, "high": 9}}, r"space.epochs: this key is not searched; allowed"),
    ({"seeds": {"choices": [1, 2]}}, r"space.seeds: this key is not searched; allowed"),
    ({"grad_clip": {"low": 2.0, "high": 1.0}}, r"space.grad_clip: low 2.0 .* must be below 1.0"),
    ({"grad_clip": {"low": 1, "high": 1}}, r"space.grad_clip: low 1 .* must be below 1"),
    ({"mixup": {"low": 0, "high": 1, "log": True}}, r"space.mixup: low 0 .* above 0 where log"),
    ({"grad_clip": {"low": 1.0}}, r"space.grad_clip: has low; it must have choices alone, or low"),
    (
        {"grad_clip": {"low": 1, "high": 2, "choices": [1, 2]}},
        r"has choices, high, low; it must have",
    ),
    ({"grad_clip": {"low": "1e-3", "high": 2}}, r"grad_clip.low: '1e-3' .* write 0.001 instead"),
    ({"grad_clip": {"least": 1}}, r"space.grad_clip: unknown key least; allowed are choices, high"),
    ({"flip": {"choices": [1]}}, r"space.flip.choices: \[1\] is not allowed"),
    ({"label_smoothing": {"low": 0.5, "high": 1.5}}, r"label_smoothing: 1.5 is not allowed"),
    (
        {"batch_size": {"low": 8.0, "high": 16.0}},
        r"batch_size: 8.0 .* of type integer .* Write 8 instead",
    ),
    ({"optimiser": {"choices": ["sgd", "lion"]}}, r"optimiser: 'lion' .* one of adamw, adam"),
    (
        {"schedule.factor": {"low": 0.1, "high": 0.5}},
        r"schedule.factor: a schedule of the kind one_cycle does not use it; allowed are schedule.",
    ),
    ({"network.depth": {"low": 1, "high": 3}}, r"network.depth: network: unknown key depth"),
    ({"network.input_size": {"choices": [65, 64]}}, r"network.input_size: .* 64: not exact"),
    ({"network.width": {"low": 0.0, "high": 2.0}}, r"network.width: .*0.0 is not allowed"),
]


@pytest.mark.parametrize(("space", "message"), BAD, ids=[str(space) for space, _ in BAD])
def test_bad_ranges_are_named(config, schema, space, message):
    config["search"]["space"] = space
    with pytest.raises(InputError, match=message) as error:
        check_config(config, schema)
    assert str(error.value).startswith("config: search.space.")


def test_a_space_must_hold_something(config, schema):
    config["search"]["space"] = dict.fromkeys(config["search"]["space"])
    with pytest.raises(InputError, match="config: search.space: holds no range; it must name"):
        check_config(config, schema)


def test_a_key_of_the_network_must_matter_to_the_model(config, schema):
    config["models"] = {"Fixed": {"architecture": "cnn", "width": 0.5}}
    config["search"]["space"] = {"network.width": {"low": 0.5, "high": 1.0}}
    check_config(config, schema)
    for model in ("Fixed", "E2ResNet18-C4"):
        config["search"]["model"] = model
        with pytest.raises(InputError, match=f"network.width: {model} does not depend on it"):
            check_config(config, schema)


def test_a_key_of_the_schedule_must_be_one_that_it_uses(config, schema):
    config["train"]["schedule"] = {"kind": "plateau"}
    config["search"]["space"] = {"schedule.factor": {"low": 0.1, "high": 0.5}}
    check_config(config, schema)
    config["search"]["space"]["schedule.kind"] = {"choices": ["multi_step", "cosine"]}
    with pytest.raises(InputError, match="kind multi_step or cosine does not use it; allowed are"):
        check_config(config, schema)


def test_the_model_must_exist(config, schema):
    config["search"]["model"] = "D3"
    with pytest.raises(InputError, match="config: search.model: .*allowed are"):
        check_config(config, schema)


def test_without_a_model_the_first_of_the_study_is_searched(config):
    config["train"]["models"] = ["D8", "CNN"]
    config["search"]["model"] = None
    assert single_study(config)["train"]["models"] == ["D8"]
    config["search"]["model"] = "CNN"
    assert single_study(config)["train"]["models"] == ["CNN"]


def test_null_takes_a_range_out_of_an_overlay():
    space = {"a": {"low": 1, "high": 2, "log": None}, "b": None, "c": {"choices": ["x", "y"]}}
    assert read_space(space) == {"a": Range(1, 2), "c": Choices(("x", "y"))}


def test_a_trial_is_the_study_with_values_put_in(config):
    config["train"]["overrides"] = {"D4": {"optimiser": "sgd"}, "CNN": {"grad_clip": 1.0}}
    config["search"].update(model="D4", epochs=7)
    single = single_study(config)
    values = {"learning_rate": 0.5, "augmentation.scale": 1.3, "network.width": 0.5}
    specification, recipe = resolve_trial(training_part(single), values)
    assert specification["group"] == "D4" and specification["width"] == 0.5
    assert recipe["learning_rate"] == 0.5 and recipe["augmentation"]["scale"] == 1.3
    assert recipe["optimiser"] == "sgd" and recipe["grad_clip"] is None
    assert recipe["epochs"] == recipe["patience"] == 7
    assert not {"seeds", "threads", "world_size", "device", "models", "overrides"} & set(recipe)
    # A quick look at the study shrinks its trials.
    specification, recipe = resolve_trial(training_part({**single, "scale": 0.5}), values)
    assert specification["width"] == 0.25 and recipe["epochs"] == 4


def test_setting_a_value_leaves_the_config_as_it_was(config):
    before = copy.deepcopy(config)
    assert with_value(config, "augmentation.scale", 3)["train"]["augmentation"]["scale"] == 3
    assert config == before
