"""Models as data: a specification names an architecture and its arguments.

Nothing here needs torch, so that a config is checked without loading it.
"""

from collections.abc import Mapping
from typing import Any

from equimorph.errors import InputError
from equimorph.groups.names import is_group_name, parse_group
from equimorph.models.widths import Trunk

ARCHITECTURES = ("gcnn", "cnn")


def resolve(
    name: str, models: Mapping[str, Mapping[str, Any]], defaults: Mapping[str, Any]
) -> dict[str, Any]:
    """Return the full specification of the model called `name`.

    A name under `models` takes its entry over the defaults; a group's name alone, such as D8,
    means the default GCNN with that group.

    Raises:
        InputError: `name` is neither.
    """
    if name in models:
        specification = {**defaults, **models[name]}
    elif is_group_name(name):
        specification = {**defaults, "architecture": "gcnn", "group": name}
    else:
        raise InputError(
            f"model {name!r}: allowed are a group's name, such as C4 or D8, and the entries of "
            f"`models`: {', '.join(sorted(models)) or 'none'}."
        )
    if specification["architecture"] not in ARCHITECTURES:
        raise InputError(
            f"models.{name}.architecture {specification['architecture']!r}: allowed are "
            f"{', '.join(ARCHITECTURES)}."
        )
    return specification


def group_order(specification: Mapping[str, Any]) -> int:
    """Number of elements of the model's group; 1 for a network without one."""
    group = specification.get("group")
    return parse_group(group).order if group else 1


def base_trunk(specification: Mapping[str, Any]) -> Trunk:
    """Return the trunk of a specification as the plain network has it."""
    trunk = Trunk(
        tuple(specification["fields"]),
        tuple(specification["pool_after"]),
        specification["kernel_size"],
        specification["stem_stride"],
    )
    return trunk.scaled(specification["width"])
