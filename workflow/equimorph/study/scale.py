"""Shrink a study for a quick look or a test: the same rules and models, less of everything."""

import copy
from collections.abc import Mapping
from typing import Any

from equimorph.errors import InputError
from equimorph.models.matching import matched_in_macs
from equimorph.models.trunk import base_trunk, exact_sizes
from equimorph.study.models import ARCHITECTURES, SMALLEST_SIZE, entry_of, resolve

LEAST_PER_CLASS = 12
LEAST_BATCH = 8
LEAST_RESAMPLES = 100
LEAST_VICTIMS = 2
LEAST_POPULATION = 4


def scaled(config: Mapping[str, Any]) -> dict[str, Any]:
    """Return the config of a study shrunk by its key `scale`, s; 1 changes nothing.

    Epochs, batches, simulated galaxies, resamples, victims, widths and image sizes are multiplied
    by s, down to what still works. Published weights are left out, so that nothing is downloaded. A
    network that becomes too narrow to be matched to the plain one's cost keeps its numbers of
    fields. The results of such a study mean nothing.

    Args:
        config: a study whose config has been checked.
    """
    result = copy.deepcopy(dict(config))
    scale = config["scale"]
    if scale == 1:
        return result
    train, evaluate, network = result["train"], result["evaluate"], result["network"]
    simulated = result["data"]["simulated"]
    epochs = train["epochs"]
    train |= _shorter(train, scale, epochs, len(config["data"]["classes"]))
    pretrain = result["pretrain"]
    for changes in (pretrain["recipe"], *train["overrides"].values()):
        changes |= _shorter(changes, scale, epochs, len(config["data"]["classes"]))
    pretrain["per_class"] = max(LEAST_PER_CLASS, round(scale * pretrain["per_class"]))
    pretrain["size"] = max(SMALLEST_SIZE, round(scale * pretrain["size"]))
    simulated["per_class"] = max(LEAST_PER_CLASS, round(scale * simulated["per_class"]))
    simulated["size"] = max(SMALLEST_SIZE, round(scale * simulated["size"]))
    evaluate["angle_images"] = max(LEAST_BATCH, round(scale * evaluate["angle_images"]))
    evaluate["bootstrap"] = max(LEAST_RESAMPLES, round(scale * evaluate["bootstrap"]))
    attack = result["analyses"]["attack"]
    attack["victims"] = max(LEAST_VICTIMS, round(scale * attack["victims"]))
    attack["population"] = max(LEAST_POPULATION, round(scale * attack["population"]))
    attack["generations"] = max(1, round(scale * attack["generations"]))
    network["width"] *= scale
    network["input_size"] = _exact_size(network, scale * network["input_size"])
    for name in train["models"]:
        entry = entry_of(name, config["models"])
        specification = resolve(name, config["models"], config["network"])
        result["models"][name] = _smaller(entry, specification, network, scale)
    return result


def _shorter(recipe: Mapping[str, Any], scale: float, epochs: int, classes: int) -> dict[str, Any]:
    """Return what becomes less of a recipe, or of the part of it that differs for a model."""
    shrunk: dict[str, Any] = {}
    fewer = max(1, round(scale * recipe.get("epochs", epochs)))
    if "epochs" in recipe:
        shrunk["epochs"] = fewer
    if "patience" in recipe:
        shrunk["patience"] = min(recipe["patience"], fewer)
    if "batch_size" in recipe:
        shrunk["batch_size"] = max(LEAST_BATCH, round(scale * recipe["batch_size"]))
    if recipe.get("labels") is not None:
        shrunk["labels"] = max(classes, round(scale * recipe["labels"]))
    return shrunk


def _smaller(
    entry: Mapping[str, Any],
    specification: Mapping[str, Any],
    network: Mapping[str, Any],
    scale: float,
) -> dict[str, Any]:
    """Return a model's entry with smaller images and widths.

    Args:
        entry: the model's entry in the study.
        specification: the model's specification at full size.
        network: the study's `network`, shrunk.
        scale: the study's `scale`.
    """
    architecture = ARCHITECTURES[entry["architecture"]]
    smaller = {key: value for key, value in entry.items() if key != "input_size"}
    if "width" in entry:
        smaller["width"] = scale * entry["width"]
    if architecture.smallest_size > network["input_size"]:
        smaller["input_size"] = architecture.smallest_size
    smaller |= architecture.shrink(specification, scale)
    if specification.get("match", "fields") != "fields" and not _matches(smaller, network):
        smaller["match"] = "fields"
    return smaller


def _matches(entry: Mapping[str, Any], network: Mapping[str, Any]) -> bool:
    """Tell whether so narrow a network can be matched in multiply-adds, the stricter criterion."""
    specification = resolve("", {"": {**entry, "match": "macs"}}, network)
    try:
        matched_in_macs(specification)
    except InputError:
        return False
    return True


def _exact_size(network: Mapping[str, Any], wanted: float) -> int:
    """Return the least size from `wanted` on that the trunk keeps exact under rotations."""
    trunk = base_trunk(network)
    for size in range(max(SMALLEST_SIZE, round(wanted)), network["input_size"]):
        try:
            exact_sizes(trunk, size)
        except InputError:
            continue
        return size
    return network["input_size"]
