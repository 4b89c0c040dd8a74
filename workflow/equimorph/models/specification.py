"""Models as data: a specification names an architecture and its arguments.

Nothing here needs torch, so that a config is checked without loading it.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from equimorph.errors import InputError
from equimorph.groups.names import CONTINUOUS_GROUPS, is_group_name, parse_group
from equimorph.models.catalogue import CATALOGUE
from equimorph.models.widths import (
    Trunk,
    exact_sizes,
    head_parameters,
    match_width,
    plain_sizes,
    trunk_macs,
    trunk_parameters,
)

REQUIRED = object()
# What every model takes of the study's `network`, and the wrapper that any model may have.
EVERY = ("input_size", "crop")
TRUNK = ("fields", "pool_after", "kernel_size", "stem_kernel_size", "stem_stride", "width")


@dataclass(frozen=True)
class Architecture:
    """The arguments that an architecture takes.

    Attributes:
        shared: keys of the study's `network` that it takes beside `EVERY`.
        own: its own arguments and their defaults, which are the published ones.
        smallest_size: smallest side of its images in px.
    """

    shared: tuple[str, ...] = ()
    own: Mapping[str, Any] = field(default_factory=dict)
    smallest_size: int = 33


ARCHITECTURES = {
    "gcnn": Architecture((*TRUNK, "match", "features", "head"), {"group": REQUIRED}),
    "cnn": Architecture((*TRUNK, "head")),
    "harmonic": Architecture(TRUNK, {"group": REQUIRED, "band_limit": 3, "samples": 16}),
    "e2resnet": Architecture(
        (), {"group": REQUIRED, "blocks": [2, 2, 2, 2], "bottleneck": False, "base_width": 54}
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
        },
    ),
    "backbone": Architecture((), {"backbone": REQUIRED, "weights": None, "trainable": "all"}),
    "cbfocal_ecnn": Architecture(
        (),
        {
            "group": "C4",
            "mixed_fields": [4, 8, 12, 16, 20],
            "field_dropout": [0.1, 0.1, 0.15, 0.15, 0.2],
            "asymmetry": True,
        },
    ),
    "cbfocal_cnn": Architecture((), {"asymmetry": True}),
    "deepcnn5": Architecture(),
    "custom_cnn": Architecture(smallest_size=94),
    "vit": Architecture(
        (), {"patch": 25, "dim": 256, "heads": 8, "mlp": 1024, "layers": 6, "dropout": 0.1}
    ),
}

# A cost further than this from the plain network's is no match.
TOLERANCE = 0.15


def entry_of(name: str, models: Mapping[str, Mapping[str, Any]]) -> Mapping[str, Any]:
    """Return a model's entry: the study's own, the catalogue's, or what a group's name means.

    Raises:
        InputError: an unknown name; the message lists the known ones.
    """
    if name in models:
        return models[name]
    if name in CATALOGUE:
        return CATALOGUE[name]
    group, _, head = name.partition("-")
    if is_group_name(group) and head in ("", "flatten"):
        published = {"head": head} if head else {}
        return {"architecture": "gcnn", "group": group, **published}
    raise InputError(
        f"model {name!r}: allowed are a group's name, such as C4 or D8, also with the published "
        "head, such as D8-flatten, the entries of `models` "
        f"({', '.join(sorted(models)) or 'none'}) and {', '.join(CATALOGUE)}."
    )


def resolve(
    name: str, models: Mapping[str, Mapping[str, Any]], defaults: Mapping[str, Any]
) -> dict[str, Any]:
    """Return the full specification of the model called `name`: just the keys that it depends on.

    A name under `models` takes its entry over the defaults; a name of the catalogue, or a group's
    alone, such as D8, needs no entry.

    Args:
        name: of the model.
        models: the study's own entries.
        defaults: what the study's models share, its `network`.

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
    arguments = {
        **{key: defaults[key] for key in shared},
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
    return {"architecture": entry["architecture"], **arguments, **orbit}


def symmetry(specification: Mapping[str, Any]) -> tuple[str | None, int | None]:
    """Return the group that the layers are equivariant under, and its order.

    A network without one has no name and order 1; SO(2) and O(2) have no order. A network that
    restricts its group from stage to stage, such as D8-D4-D1, counts by the last.
    """
    if "groups" in specification:
        groups = specification["groups"]
        return "-".join(groups), parse_group(groups[-1]).order
    group = specification.get("group")
    if group in CONTINUOUS_GROUPS:
        return group, None
    return group, parse_group(group).order if group else 1


def base_trunk(specification: Mapping[str, Any]) -> Trunk:
    """Return the trunk of a specification as the plain network has it."""
    trunk = Trunk(
        tuple(specification["fields"]),
        tuple(specification["pool_after"]),
        specification["kernel_size"],
        specification["stem_stride"],
        specification["stem_kernel_size"],
    )
    return trunk.scaled(specification["width"])


def gcnn_trunk(specification: Mapping[str, Any], classes: int) -> Trunk:
    """Return the trunk of a GCNN, its fields matched to the plain network of the same trunk.

    `match: fields` keeps the numbers of fields, as the published study did: cost grows with |G|^2.
    `macs` and `parameters` scale all widths by one factor until the GCNN has as many multiply-adds
    in its convolutions, or trainable parameters, as the CNN. The last block keeps at least
    `features` fields: group pooling leaves one number per field, and a few numbers cannot tell ten
    classes apart.

    Raises:
        InputError: no width comes close to the plain network's cost.
    """
    if specification["match"] == "macs":
        return matched_in_macs(specification)
    if specification["match"] == "parameters":
        return _matched_in_parameters(specification, classes)
    return base_trunk(specification)


def matched_in_macs(specification: Mapping[str, Any]) -> Trunk:
    """Return the trunk with as many multiply-adds in its convolutions as the plain network.

    Raises:
        InputError: no width comes close.
    """
    trunk, size = base_trunk(specification), specification["input_size"]
    order = parse_group(specification["group"]).order
    convolved = exact_sizes(trunk, size).convolved
    target = trunk_macs(trunk, plain_sizes(trunk, size), 1)
    return _matched(
        specification, trunk, target, lambda scaled: trunk_macs(scaled, convolved, order)
    )


def _matched_in_parameters(specification: Mapping[str, Any], classes: int) -> Trunk:
    # Counting the weights of a steerable kernel needs escnn, which takes seconds to import.
    from equimorph.models.steerable import weights_per_pair

    trunk, group = base_trunk(specification), parse_group(specification["group"])
    plain_stem, plain = trunk.stem_kernel_size**2, trunk.kernel_size**2
    stem = weights_per_pair(group, trunk.stem_kernel_size, trivial_input=True)
    inner = weights_per_pair(group, trunk.kernel_size, trivial_input=False)

    def parameters(trunk: Trunk, stem: int, inner: int) -> int:
        return trunk_parameters(trunk, stem, inner) + head_parameters(trunk.fields[-1], classes)

    return _matched(
        specification,
        trunk,
        parameters(trunk, plain_stem, plain),
        lambda scaled: parameters(scaled, stem, inner),
    )


def _matched(
    specification: Mapping[str, Any], trunk: Trunk, target: int, cost: Callable[[Trunk], int]
) -> Trunk:
    features = specification["features"]
    factor = match_width(lambda factor: cost(trunk.scaled(factor, features)), target)
    matched = trunk.scaled(factor, features)
    ratio = cost(matched) / target
    if abs(ratio - 1) > TOLERANCE:
        raise InputError(
            f"match {specification['match']}: {specification['group']} with the fields "
            f"{list(matched.fields)} still costs {ratio:.2f} times the plain network's; allowed is "
            f"{1 - TOLERANCE:.2f} to {1 + TOLERANCE:.2f}. Widen `fields`, pool earlier, lower "
            "`features`, or choose match fields."
        )
    return matched
