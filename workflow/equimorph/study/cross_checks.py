"""Checks that a schema cannot make: keys of a study's config that must fit one another."""

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from equimorph.data.classes import GALAXY10_CLASSES, GALAXY10_COUNTS
from equimorph.errors import InputError
from equimorph.groups.names import is_group_name
from equimorph.models.limits import check
from equimorph.study.conditions import Condition, check_condition
from equimorph.study.models import resolve
from equimorph.study.recipes import (
    NOT_OF_RECIPE,
    OF_ITS_BEGINNING,
    has_all_labels,
    pretrained_model,
    recipe_settings,
    start_of,
)
from equimorph.study.scale import scaled
from equimorph.study.sweeps import check_sweeps

MOST_SIMULATED = 2**33  # bytes


def cross_check(config: Mapping[str, Any]) -> None:
    """Check what a schema cannot say.

    Raises:
        InputError: the first thing that is wrong, by key, with what is allowed.
    """
    _check_simulated(config["data"]["simulated"])
    _check_classes(config["data"])
    _check_split(config["data"]["split"])
    _check_conditions(config["conditions"], config["evaluate"]["conditions"])
    _check_models(config)
    _check_overrides(config["train"])
    _check_class_weights(config)
    _check_pretraining(config)
    _check_labels(config)
    _check_training_images(config)
    check_world_size(config)
    _check_analyses(config["analyses"], config["train"], config["evaluate"]["conditions"])
    _check_hyperband(config["search"]["pruner"])
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


def _check_classes(data: Mapping[str, Any]) -> None:
    """Check that the galaxies of a source whose classes are known have as many names."""
    given, known = len(data["classes"]), len(GALAXY10_CLASSES)
    if data["source"] in ("simulated", "galaxy10") and given != known:
        raise InputError(
            f"config: data.classes: {given} names are not allowed; it must be {known}, since the "
            f"galaxies of the source {data['source']} have so many classes."
        )


def _check_training_images(config: Mapping[str, Any]) -> None:
    """Check that no batch, and no number of labels, is more than there are galaxies to train on."""
    small = scaled(config)
    classes, most = len(config["data"]["classes"]), _most_galaxies(small["data"])
    for name in small["train"]["models"]:
        recipe = recipe_settings(small["train"], name)
        labels, batch_size = recipe["labels"], recipe["batch_size"]
        if labels is not None and not classes <= labels <= most:
            raise InputError(
                f"config: train.labels: {labels} is not allowed for {name}; it must be at least "
                f"{classes}, one of each class, and no more than there are galaxies."
            )
        # An epoch of all classes alike repeats the images of small ones.
        shown = classes * most if recipe["sampler"] == "over" else most
        if recipe.get("drop_last", True) and batch_size > shown:
            raise InputError(
                f"config: train.batch_size: {batch_size} is not allowed for {name}; it must be at "
                f"most {most:g}, the number of galaxies."
            )


def _most_galaxies(data: Mapping[str, Any]) -> float:
    """Return how many galaxies a training set may have; infinity for data of one's own."""
    counts: tuple[int, ...] = GALAXY10_COUNTS
    if data["source"] == "simulated":
        counts = len(GALAXY10_CLASSES) * (data["simulated"]["per_class"],)
    elif data["source"] != "galaxy10":
        return math.inf
    at_most = data["split"]["at_most"]["train"]
    return sum(min(count, at_most or count) for count in counts)


def _check_split(split: Mapping[str, Any]) -> None:
    total = split["train"] + split["validation"] + split["test"]
    if not math.isclose(total, 1, abs_tol=1e-9):
        raise InputError(
            f"config: data.split: train + validation + test add up to {total:g}; they must add up "
            "to 1."
        )
    if (split["protocol"] == "table") != (split["table"] is not None):
        raise InputError(
            f"config: data.split.table: {split['table']!r} with the protocol {split['protocol']} "
            "is not allowed; the protocol table needs a table, and no other protocol uses one."
        )
    if split["test"] == 0 and split["protocol"] != "stratified":
        raise InputError(
            "config: data.split.test: 0 is not allowed; it must be above 0, except with the "
            "protocol stratified, which then tests on the validation set."
        )
    if split["folds"] is not None and split["protocol"] != "clean":
        raise InputError(
            f"config: data.split.folds: {split['folds']} is not allowed with the protocol "
            f"{split['protocol']}; it must be null."
        )
    if split["folds"] is not None and split["fold"] >= split["folds"]:
        raise InputError(
            f"config: data.split.fold: {split['fold']} is not allowed; it must be below "
            f"data.split.folds ({split['folds']})."
        )


def _check_conditions(conditions: Mapping[str, Condition], chosen: list[str]) -> None:
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
            check_condition(condition)
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
            check(specification, len(config["data"]["classes"]))
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


def _check_class_weights(config: Mapping[str, Any]) -> None:
    """Check that there is one weight for each class where they are given one by one."""
    train, classes = config["train"], config["data"]["classes"]
    for name in train["models"]:
        weights = recipe_settings(train, name)["loss"].get("class_weights")
        if isinstance(weights, list) and len(weights) != len(classes):
            own = "loss" in train["overrides"].get(name, {})
            place = f"train.overrides.{name}" if own else "train"
            raise InputError(
                f"config: {place}.loss.class_weights: {len(weights)} numbers are not allowed; it "
                f"must be one for each of the {len(classes)} data.classes."
            )


def _check_pretraining(config: Mapping[str, Any]) -> None:
    """Check what trainings start from, and the recipe of pretraining."""
    train, pretrain = config["train"], config["pretrain"]
    unknown = sorted(set(pretrain["recipe"]) - (train.keys() - {*NOT_OF_RECIPE, *OF_ITS_BEGINNING}))
    if unknown:
        raise InputError(f"config: pretrain.recipe: unknown key {', '.join(unknown)}.")
    for name in train["models"]:
        begins = start_of(train, name)
        source = pretrained_model(begins, name)
        if source is None:
            if begins is not None and not Path(begins).is_file():
                raise InputError(
                    f"config: train.start_from: {name}: {begins}: there is no such file; allowed "
                    "are pretrained, pretrained/NAME and the path of a checkpoint."
                )
            continue
        if config["data"]["source"] == "simulated" and (
            pretrain["seed"] == config["data"]["simulated"]["seed"]
        ):
            raise InputError(
                "config: pretrain.seed: it must differ from data.simulated.seed, or networks are "
                "pretrained on the test galaxies."
            )
        own, other = (resolve(each, config["models"], config["network"]) for each in (name, source))
        differing = sorted(
            key for key in own.keys() | other.keys() if own.get(key) != other.get(key)
        )
        if set(differing) - {"orbit"}:
            raise InputError(
                f"config: train.start_from: {name} starts from the pretraining of {source}, whose "
                f"network differs in {', '.join(differing)}; it must be the same."
            )


def _check_labels(config: Mapping[str, Any]) -> None:
    """Check that models with fewer labels have one with all to stand beside."""
    train = config["train"]
    fewer = [name for name in train["models"] if not has_all_labels(train, name)]
    if not fewer:
        return
    if len(fewer) == len(train["models"]) or config["evaluate"]["reference"] in fewer:
        raise InputError(
            f"config: train.overrides.{fewer[0]}.labels: models with labels of their own are shown "
            "in the label curve alone, so one model at least, and evaluate.reference, must go "
            "without."
        )


def _check_analyses(
    analyses: Mapping[str, Any], train: Mapping[str, Any], conditions: list[str]
) -> None:
    """Check that the networks that are analysed are trained, and the conditions evaluated."""
    for name in analyses["explanation"]["conditions"] or ():
        if name not in conditions:
            raise InputError(
                f"config: analyses.explanation.conditions: {name!r} is not evaluated; allowed are "
                f"the entries of evaluate.conditions: {', '.join(conditions)}."
            )
    check_sweeps(analyses["sweeps"])
    for name in analyses["models"] or ():
        if name not in train["models"]:
            raise InputError(
                f"config: analyses.models: {name!r} is not trained; allowed are the entries of "
                f"train.models: {', '.join(train['models'])}."
            )
    if analyses["seed"] is not None and analyses["seed"] not in train["seeds"]:
        raise InputError(
            f"config: analyses.seed: {analyses['seed']} is not allowed; it must be one of "
            f"train.seeds: {', '.join(map(str, train['seeds']))}."
        )


def _check_hyperband(pruner: Mapping[str, Any]) -> None:
    least, most = pruner.get("min_resource", 1), pruner.get("max_resource")
    if most is not None and most < least:
        raise InputError(
            f"config: search.pruner.max_resource: {most} is not allowed; it must be at least "
            f"min_resource ({least})."
        )


def check_world_size(config: Mapping[str, Any]) -> None:
    """Check that the processes can share each model's batches equally."""
    if config["train"]["world_size"] == 1:
        return
    train = scaled(config)["train"]
    for name in train["models"]:
        recipe = recipe_settings(train, name)
        if not recipe.get("drop_last", True):
            raise InputError(
                f"config: train.drop_last: false is not allowed for {name}; with train.world_size "
                f"{train['world_size']}, processes cannot share a last, smaller batch equally."
            )
        batch_size = recipe["batch_size"]
        if batch_size % train["world_size"]:
            raise InputError(
                f"config: train.world_size: {train['world_size']} is not allowed; it must divide "
                f"the batch size of every model, which for {name} is {batch_size}."
            )
