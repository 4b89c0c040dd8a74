"""What a checkpoint says of its network, checked before anything is built from it.

Anybody may send a checkpoint. Each value has to be of its kind and within bounds, and the network
no larger than the weights that lie beside its description.
"""

import math
from collections.abc import Mapping
from dataclasses import MISSING, fields
from importlib.util import find_spec
from itertools import pairwise
from typing import Any

from equimorph.data.star_filters import FILTERS
from equimorph.errors import InputError
from equimorph.groups.names import CONTINUOUS_GROUPS, parse_group
from equimorph.models.limits import check
from equimorph.models.matching import gcnn_trunk
from equimorph.models.preparation import Preparation
from equimorph.models.trunk import base_trunk
from equimorph.sources import ARCHITECTURES

LARGEST_SIDE = 65_536  # px
LARGEST_NUMBER = 1_000_000
# Their cost is that of kernel bases, which no weights bound.
FEW = {
    "kernel_size": (3, 5, 7),
    "stem_kernel_size": (3, 5, 7, 9),
    "stem_stride": (1, 2),
    "band_limit": tuple(range(1, 9)),
    "samples": tuple(range(4, 257)),
}
LONGEST_TEXT, LONGEST_LIST, MOST_CLASSES = 80, 64, 256


def check_header(metadata: Any, weights: int, tensors: int) -> Preparation:
    """Check a checkpoint's metadata, and return its preparation of images.

    Args:
        metadata: as read from JSON.
        weights: numbers in the learned state.
        tensors: tensors in the learned state.

    Raises:
        InputError: a key is missing or its value is not allowed, or the network is larger than its
            weights; the message names the key.
    """
    _need(isinstance(metadata, dict), "the header", metadata, "keys with values")
    for key in ("specification", "classes", "preparation"):
        _need(key in metadata, "the header", sorted(metadata), f"keys with {key} among them")
    _check_classes(metadata["classes"])
    specification = metadata["specification"]
    _check_values(specification)
    preparation = _preparation(metadata["preparation"])
    said = {"antialias": True, **specification}
    for key in ("crop", "input_size", "antialias"):
        _need(
            getattr(preparation, key) == said[key],
            f"preparation.{key}",
            getattr(preparation, key),
            f"that of the specification ({said[key]})",
        )
    try:
        check(specification, len(metadata["classes"]))
        least_weights, least_tensors = _least(specification, len(metadata["classes"]))
        too_large = least_weights > weights or least_tensors > tensors
    except (ArithmeticError, AttributeError, LookupError, TypeError, ValueError) as error:
        if isinstance(error, InputError):
            raise
        raise InputError(f"specification: does not describe a network ({error!r}).") from error
    if too_large:
        raise InputError(
            f"specification: describes a network of at least {least_weights:.0f} weights in "
            f"{least_tensors} tensors, the file has {weights} in {tensors}."
        )
    return preparation


def _need(holds: bool, key: str, given: Any, allowed: str) -> None:
    if not holds:
        raise InputError(f"{key}: {repr(given)[:100]} is not allowed; it must be {allowed}.")


def _check_classes(classes: Any) -> None:
    named = isinstance(classes, list) and all(isinstance(name, str) for name in classes)
    fits = named and 1 <= len(classes) <= MOST_CLASSES and len(set(classes)) == len(classes)
    _need(fits, "classes", classes, f"a list of 1 to {MOST_CLASSES} different names")


def _check_values(specification: Any) -> None:
    _need(isinstance(specification, dict), "specification", specification, "keys with values")
    for key in ("architecture", "input_size", "crop", "mask"):
        _need(key in specification, "specification", sorted(specification), f"keys with {key}")
    name = specification["architecture"]
    known = isinstance(name, str) and name.isidentifier()
    known = known and find_spec(f"{ARCHITECTURES}.{name}") is not None
    _need(known, "specification.architecture", name, "the name of an architecture")
    for key, value in specification.items():
        _need(
            _is_plain(value) or (isinstance(value, list) and all(map(_is_plain, value))),
            f"specification.{key}",
            value,
            f"a text, a number from 0 to {LARGEST_NUMBER}, or a list of up to {LONGEST_LIST}",
        )
        if isinstance(value, list):
            _need(len(value) <= LONGEST_LIST, f"specification.{key}", value, "a shorter list")
    for key, allowed in FEW.items():
        value = specification.get(key, allowed[0])
        fits = _is_integer(value) and value in allowed
        _need(fits, f"specification.{key}", value, f"one of {', '.join(map(str, allowed))}")
    size = specification["input_size"]
    _need(_is_integer(size) and 1 <= size <= 2048, "specification.input_size", size, "1 to 2048")


def _is_plain(value: Any) -> bool:
    if isinstance(value, str):
        return len(value) <= LONGEST_TEXT
    return value is None or isinstance(value, bool) or _is_number(value)


def _is_number(value: Any) -> bool:
    number = isinstance(value, int | float) and not isinstance(value, bool)
    return number and 0 <= value <= LARGEST_NUMBER


def _is_integer(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _preparation(given: Any) -> Preparation:
    own = {one.name: one.default for one in fields(Preparation)}
    needed = {key for key, default in own.items() if default is MISSING}
    whole = isinstance(given, dict) and needed <= given.keys() <= own.keys()
    _need(whole, "preparation", given, f"the keys {', '.join(own)}")
    scale, stars, crop = given["pixel_scale"], given["stars_removed"], given["crop"]
    for key in ("side", "input_size"):
        fits = _is_integer(given[key]) and 1 <= given[key] <= LARGEST_SIDE
        _need(fits, f"preparation.{key}", given[key], f"a whole number from 1 to {LARGEST_SIDE}")
    fits = scale is None or (_is_number(scale) and scale > 0)
    _need(fits, "preparation.pixel_scale", scale, "null or a number above 0")
    fits = stars is None or (_is_integer(stars) and 0 <= stars < 2**63)
    _need(fits, "preparation.stars_removed", stars, "null or a seed")
    _need(_is_number(crop) and 0 < crop <= 1, "preparation.crop", crop, "above 0, up to 1")
    smoothed, star_filter = given.get("antialias", True), given.get("star_filter", "seeing")
    _need(isinstance(smoothed, bool), "preparation.antialias", smoothed, "true or false")
    known = isinstance(star_filter, str) and star_filter in FILTERS
    _need(known, "preparation.star_filter", star_filter, f"one of {', '.join(FILTERS)}")
    return Preparation(**given)


def _least(specification: Mapping[str, Any], classes: int) -> tuple[float, int]:
    """Return numbers of weights and of tensors that the network surely exceeds."""
    order, name = _order(specification), specification["architecture"]
    if name == "gcnn":
        widths = gcnn_trunk(specification, classes).fields
        return _pairs(widths) * order, len(widths)
    if name in ("cnn", "harmonic"):
        widths = base_trunk(specification).fields
        return _pairs(widths), len(widths)
    if name == "cbfocal_ecnn":
        return _pairs(specification["mixed_fields"]) * order, len(specification["mixed_fields"])
    if name == "e2resnet":
        return specification["base_width"] ** 2 * order, sum(specification["blocks"])
    if name == "e2wrn":
        return specification["widen"] ** 2, specification["depth"] - 4
    if name == "vit":
        widest = max(specification["dim"], specification["mlp"], 3 * specification["patch"] ** 2)
        return specification["dim"] * widest, specification["layers"]
    return classes, 1


def _order(specification: Mapping[str, Any]) -> int:
    group = specification.get("group")
    return 1 if group is None or group in CONTINUOUS_GROUPS else parse_group(group).order


def _pairs(widths: Any) -> float:
    return math.fsum(a * b for a, b in pairwise(widths))
