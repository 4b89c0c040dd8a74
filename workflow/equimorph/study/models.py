"""Models as data: a specification names an architecture and its arguments.

Nothing here needs torch, so that a config is checked without loading it.
"""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from equimorph.errors import InputError
from equimorph.groups.names import is_group_name
from equimorph.study.published_models import PUBLISHED

REQUIRED = object()
# Keys that every model takes from the study's `network`.
EVERY = ("input_size", "crop", "mask", "normalise", "antialias")
# These are left out of a specification where they have these values, so that a model that needs
# none of them is the same model, and its checkpoint the same file, as before they existed.
UNSAID = {"normalise": "auto", "antialias": True, "update_norms": False}
TRUNK = ("fields", "pool_after", "kernel_size", "stem_kernel_size", "stem_stride", "width")


SMALLEST_SIZE = 33  # px, of the images of most architectures

# Function of a full specification and a study's `scale`; returns the arguments to change.
Shrink = Callable[[Mapping[str, Any], float], dict[str, Any]]


def shrunk(width: Any, scale: float) -> Any:
    """Return a number of fields, channels or units multiplied by `scale`, at least 1; or a list."""
    if isinstance(width, list):
        return [shrunk(one, scale) for one in width]
    return max(1, round(scale * width))


def _widths(*keys: str) -> Shrink:
    return lambda specification, scale: {key: shrunk(specification[key], scale) for key in keys}


def _without_weights(specification: Mapping[str, Any], scale: float) -> dict[str, Any]:
    return {"weights": None}  # nothing is downloaded for a quick look


def _smaller_patches(specification: Mapping[str, Any], scale: float) -> dict[str, Any]:
    """Keep the numbers of tokens and heads; make patches smaller and layers narrower.

    Images keep at least `SMALLEST_SIZE`.
    """
    tokens = max(1, specification["input_size"] // specification["patch"])
    patch = max(shrunk(specification["patch"], scale), math.ceil(SMALLEST_SIZE / tokens))
    heads = specification["heads"]
    return {
        "patch": patch,
        "input_size": tokens * patch,
        "dim": heads * shrunk(specification["dim"] // heads, scale),
        "mlp": shrunk(specification["mlp"], scale),
    }


@dataclass(frozen=True)
class Architecture:
    """What a study's config says of an architecture.

    Attributes:
        shared: keys of the study's `network` that it takes beside `EVERY`.
        own: arguments of its own, with their published values as defaults.
        smallest_size: smallest side of its images in px.
        shrink: function that returns its own arguments at a smaller `scale`.
    """

    shared: tuple[str, ...] = ()
    own: Mapping[str, Any] = field(default_factory=dict)
    smallest_size: int = SMALLEST_SIZE
    shrink: Shrink = _widths()


ARCHITECTURES = {
    "gcnn": Architecture((*TRUNK, "match", "features", "head"), {"group": REQUIRED}),
    "cnn": Architecture((*TRUNK, "head")),
    "harmonic": Architecture(TRUNK, {"group": REQUIRED, "band_limit": 3, "samples": 16}),
    "e2resnet": Architecture(
        (),
        {"group": REQUIRED, "blocks": [2, 2, 2, 2], "bottleneck": False, "base_width": 54},
        shrink=_widths("base_width"),
    ),
    "e2wrn": Architecture(
        (),
        {
            "groups": REQUIRED,
            "depth": 16,
            "widen": 8,
            "stem_stride": 2,
            "dropout": 0.3,
            "keep_parameters": True,
            "last_momentum": 0.9,
        },
        shrink=_widths("widen"),
    ),
    "backbone": Architecture(
        (),
        {"backbone": REQUIRED, "weights": None, "trainable": "all", "update_norms": False},
        shrink=_without_weights,
    ),
    "cbfocal_ecnn": Architecture(
        (),
        {
            "group": "C4",
            "mixed_fields": [4, 8, 12, 16, 20],
            "field_dropout": [0.1, 0.1, 0.15, 0.15, 0.2],
            "asymmetry": True,
            "exact": True,
        },
        shrink=_widths("mixed_fields"),
    ),
    "cbfocal_cnn": Architecture((), {"asymmetry": True}),
    "deepcnn5": Architecture(),
    "custom_cnn": Architecture(smallest_size=94),
    "vit": Architecture(
        (),
        {"patch": 25, "dim": 256, "heads": 8, "mlp": 1024, "layers": 6, "dropout": 0.1},
        shrink=_smaller_patches,
    ),
}


def entry_of(name: str, models: Mapping[str, Mapping[str, Any]]) -> Mapping[str, Any]:
    """Return a model's entry: the study's own, a published one, or what a group's name means.

    Raises:
        InputError: an unknown name; the message lists the known ones.
    """
    if name in models:
        return models[name]
    if name in PUBLISHED:
        return PUBLISHED[name]
    group, _, head = name.partition("-")
    if is_group_name(group) and head in ("", "flatten"):
        published = {"head": head} if head else {}
        return {"architecture": "gcnn", "group": group, **published}
    raise InputError(
        f"model {name!r}: allowed are a group's name, such as C4 or D8, also with the published "
        "head, such as D8-flatten, the entries of `models` "
        f"({', '.join(sorted(models)) or 'none'}) and {', '.join(PUBLISHED)}."
    )


def resolve(
    name: str, models: Mapping[str, Mapping[str, Any]], defaults: Mapping[str, Any]
) -> dict[str, Any]:
    """Return the full specification of the model called `name`: only the keys that it depends on.

    A name under `models` takes its entry over the defaults; a published one's, or a group's
    alone, such as D8, needs no entry.

    Args:
        name: name of the model.
        models: the study's own entries.
        defaults: the study's `network`, which its models share.

    Raises:
        InputError: an unknown name, an unknown architecture, or arguments that do not belong to it.
    """
    entry = entry_of(name, models)
    if entry["architecture"] not in ARCHITECTURES:
        raise InputError(
            f"models.{name}.architecture {entry['architecture']!r}: allowed are "
            f"{', '.join(ARCHITECTURES)}."
        )
    architecture = ARCHITECTURES[entry["architecture"]]
    shared = (*EVERY, *architecture.shared)
    given = {**UNSAID, **defaults}
    arguments = {
        **{key: given[key] for key in shared},
        **architecture.own,
        **{key: value for key, value in entry.items() if key not in ("architecture", "orbit")},
    }
    foreign = sorted(set(arguments) - set(shared) - set(architecture.own))
    if foreign:
        raise InputError(
            f"models.{name}: {', '.join(foreign)} is no argument of {entry['architecture']}; "
            f"allowed are {', '.join(sorted([*shared, *architecture.own, 'orbit']))}."
        )
    missing = [key for key, value in arguments.items() if value is REQUIRED]
    if missing:
        raise InputError(
            f"models.{name}.{missing[0]} is missing; {entry['architecture']} needs one."
        )
    smallest = architecture.smallest_size
    if arguments["input_size"] < smallest:
        raise InputError(
            f"models.{name}.input_size {arguments['input_size']}: too small for "
            f"{entry['architecture']}; the smallest is {smallest}."
        )
    orbit = {"orbit": entry["orbit"]} if entry.get("orbit") else {}
    said = {k: v for k, v in arguments.items() if k not in UNSAID or v != UNSAID[k]}
    return {"architecture": entry["architecture"], **said, **orbit}
