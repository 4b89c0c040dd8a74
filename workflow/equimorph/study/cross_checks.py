"""Checks that a schema cannot make: keys of a study's config that must fit one another."""

import math
from collections.abc import Mapping
from typing import Any

from equimorph.data.classes import GALAXY10_CLASSES
from equimorph.errors import InputError
from equimorph.groups.names import is_group_name, parse_group
from equimorph.models.matching import matched_in_macs
from equimorph.models.trunk import base_trunk, exact_sizes
from equimorph.study.conditions import check_spec
from equimorph.study.models import resolve
from equimorph.study.recipes import NOT_OF_RECIPE, recipe_settings
from equimorph.study.scale import scaled

MOST_SIMULATED = 2**33  # bytes


def cross_check(config: Mapping[str, Any]) -> None:
    """Check what a schema cannot say.

    Raises:
        InputError: the first thing that is wrong, by key, with what is allowed.
    """
    _check_simulated(config["data"]["simulated"])
    _check_split(config["data"]["split"])
    _check_conditions(config["conditions"], config["evaluate"]["conditions"])
    _check_models(config)
    _check_overrides(config["train"])
    check_world_size(config)
    if config["train"]["patience"] > config["train"]["epochs"]:
        raise InputError(
            f"config: train.patience: {config['train']['patience']} is not allowed; it must be at "
            f"most train.epochs ({config['train']['epochs']}), which means no early stopping."
        )


def _check_simulated(simulated: Mapping[str, Any]) -> None:
    """Check that the simulated images, which are held in memory, are few and small enough."""
    total = len(GALAXY10_CLASSES) * simulated["per_class"] * simulated["size"] ** 2 * 3
    if total > MOST_SIMULATED:
        raise InputError(
            f"config: data.simulated: per_class {simulated['per_class']} and size "
            f"{simulated['size']} make images of {total / 2**30:.1f} GiB; allowed are at most "
            f"{MOST_SIMULATED // 2**30}."
        )


def _check_split(split: Mapping[str, Any]) -> None:
    total = split["train"] + split["validation"] + split["test"]
    if not math.isclose(total, 1, abs_tol=1e-9):
        raise InputError(
            f"config: data.split: train + validation + test add up to {total:g}; they must add up "
            "to 1."
        )
    if split["folds"] is not None and split["fold"] >= split["folds"]:
        raise InputError(
            f"config: data.split.fold: {split['fold']} is not allowed; it must be below "
            f"data.split.folds ({split['folds']})."
        )


def _check_conditions(conditions: Mapping[str, Mapping[str, Any]], chosen: list[str]) -> None:
    if "clean" in conditions:
        raise InputError(
            "config: conditions.clean: this name is the test set as taken; choose another one."
        )
    for name in chosen:
        if name != "clean" and name not in conditions:
            raise InputError(
                f"config: evaluate.conditions: {name!r} is not allowed; it must be clean or one "
                f"of {', '.join(conditions) or 'no others'}."
            )
    for name, condition in conditions.items():
        try:
            check_spec(condition)
        except InputError as error:
            raise InputError(f"config: conditions.{name}: {error}") from error


def _check_models(config: Mapping[str, Any]) -> None:
    models, chosen = config["models"], config["train"]["models"]
    for name in models:
        if is_group_name(name):
            raise InputError(
                f"config: models.{name}: two entries define {name}, which is already the GCNN with "
                "that group; give this one another name."
            )
    if config["evaluate"]["reference"] not in chosen:
        raise InputError(
            f"config: evaluate.reference: {config['evaluate']['reference']!r} is not trained; "
            f"allowed are the entries of train.models: {', '.join(chosen)}."
        )
    first: dict[str, str] = {}
    for name in chosen:
        if chosen.count(name) > 1:
            raise InputError(f"config: train.models: {name} stands twice; each is allowed once.")
        try:
            specification = resolve(name, models, config["network"])
            check_specification(specification)
        except InputError as error:
            raise InputError(f"config: train.models: {error}") from error
        recipe = recipe_settings(config["train"], name)
        twin = first.setdefault(repr([sorted(specification.items()), sorted(recipe.items())]), name)
        if twin != name:
            raise InputError(
                f"config: models.{name}: two entries define the same model, {twin} and {name}; "
                "they must differ in at least one key, or in their recipe under train.overrides."
            )


def _check_overrides(train: Mapping[str, Any]) -> None:
    """Check that overrides are keys of the recipe, and of a model that is trained."""
    allowed = sorted(train.keys() - {*NOT_OF_RECIPE})
    for name, changes in train["overrides"].items():
        if name not in train["models"]:
            raise InputError(
                f"config: train.overrides.{name}: this model is not trained; allowed are the "
                f"entries of train.models: {', '.join(train['models'])}."
            )
        unknown = sorted(set(changes) - set(allowed))
        if unknown:
            raise InputError(
                f"config: train.overrides.{name}: unknown key {', '.join(unknown)}; allowed are "
                f"{', '.join(allowed)}."
            )


def check_world_size(config: Mapping[str, Any]) -> None:
    """Check that the processes can share each model's batches equally."""
    if config["train"]["world_size"] == 1:
        return
    train = scaled(config)["train"]
    for name in train["models"]:
        batch_size = recipe_settings(train, name)["batch_size"]
        if batch_size % train["world_size"]:
            raise InputError(
                f"config: train.world_size: {train['world_size']} is not allowed; it must divide "
                f"the batch size of every model, which for {name} is {batch_size}."
            )


def check_specification(specification: Mapping[str, Any]) -> None:
    """Check what can be known of a model without building it.

    Raises:
        InputError: an unknown group, or sizes that do not fit.
    """
    for name in [*specification.get("groups", ()), specification.get("orbit")]:
        if name is not None:
            parse_group(name)
    group = specification.get("group")
    if group is not None and specification["architecture"] != "harmonic":
        parse_group(group)
    if "fields" in specification:
        _check_trunk(specification)


def _check_trunk(specification: Mapping[str, Any]) -> None:
    blocks = len(specification["fields"])
    if any(block > blocks for block in specification["pool_after"]):
        raise InputError(
            f"pool_after {specification['pool_after']}: allowed are the blocks 1 to {blocks}."
        )
    exact_sizes(base_trunk(specification), specification["input_size"])
    if specification.get("match") == "macs":
        matched_in_macs(specification)
