"""Shrink a study for a quick look or a test: the same rules and models, less of everything."""

import copy
import math
from collections.abc import Mapping
from typing import Any

from equimorph.errors import InputError
from equimorph.models.matching import base_trunk
from equimorph.models.trunk import exact_sizes
from equimorph.study.models import ARCHITECTURES, entry_of

LEAST_PER_CLASS = 12
LEAST_BATCH = 8
LEAST_RESAMPLES = 100
LEAST_SIZE = 33
# Arguments of an architecture that count fields, channels or hidden units.
WIDTHS = ("base_width", "widen", "mixed_fields", "mlp")


def scaled(config: Mapping[str, Any]) -> dict[str, Any]:
    """Return the config of a study shrunk by its key `scale`, s; 1 changes nothing.

    Epochs, batches, simulated galaxies, resamples, widths and image sizes are multiplied by s, down
    to what still works. Published weights are left out, so that nothing is downloaded. What such a
    study measures means nothing.

    Args:
        config: a study whose config has been checked.
    """
    result = copy.deepcopy(dict(config))
    scale = config["scale"]
    if scale == 1:
        return result
    train, evaluate, network = result["train"], result["evaluate"], result["network"]
    simulated = result["data"]["simulated"]
    train["epochs"] = max(1, round(scale * train["epochs"]))
    train["patience"] = min(train["patience"], train["epochs"])
    train["batch_size"] = max(LEAST_BATCH, round(scale * train["batch_size"]))
    simulated["per_class"] = max(LEAST_PER_CLASS, round(scale * simulated["per_class"]))
    simulated["size"] = max(LEAST_SIZE, round(scale * simulated["size"]))
    evaluate["angle_images"] = max(LEAST_BATCH, round(scale * evaluate["angle_images"]))
    evaluate["bootstrap"] = max(LEAST_RESAMPLES, round(scale * evaluate["bootstrap"]))
    network["width"] *= scale
    network["input_size"] = _exact_size(network, scale * network["input_size"])
    for name in train["models"]:
        entry = entry_of(name, config["models"])
        result["models"][name] = _smaller(entry, network["input_size"], scale)
    return result


def _smaller(entry: Mapping[str, Any], input_size: int, scale: float) -> dict[str, Any]:
    """Return a model's entry with smaller images and widths."""
    architecture = ARCHITECTURES[entry["architecture"]]
    full = {**architecture.own, **entry}
    smaller = dict(entry)
    for key in WIDTHS:
        if key in full:
            smaller[key] = _shrink(full[key], scale)
    if "width" in entry:
        smaller["width"] = scale * entry["width"]
    if "weights" in full:
        smaller["weights"] = None
    if "patch" in full:
        tokens = entry.get("input_size", input_size) // full["patch"]
        smaller["patch"] = max(_shrink(full["patch"], scale), math.ceil(LEAST_SIZE / tokens))
        smaller["dim"] = full["heads"] * _shrink(full["dim"] // full["heads"], scale)
        smaller["input_size"] = tokens * smaller["patch"]
    elif architecture.smallest_size > input_size:
        smaller["input_size"] = architecture.smallest_size
    else:
        smaller.pop("input_size", None)
    return smaller


def _shrink(width: Any, scale: float) -> Any:
    if isinstance(width, list):
        return [_shrink(one, scale) for one in width]
    return max(1, round(scale * width))


def _exact_size(network: Mapping[str, Any], wanted: float) -> int:
    """Return the least size from `wanted` on that the trunk keeps exact under rotations."""
    trunk = base_trunk(network)
    for size in range(max(LEAST_SIZE, round(wanted)), network["input_size"]):
        try:
            exact_sizes(trunk, size)
        except InputError:
            continue
        return size
    return network["input_size"]
