"""Groups by name: C4 is the rotations by 90 degrees, D4 adds the reflections."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from equimorph.errors import InputError

_NAME = re.compile(r"([CD])([1-9][0-9]{0,2})")
_LARGEST_ROTATION = 64
CONTINUOUS_GROUPS = ("SO2", "O2")


@dataclass(frozen=True)
class Group:
    """A finite subgroup of O(2) that acts on the plane.

    Attributes:
        rotations: number N of rotations, by multiples of 360/N degrees.
        reflections: whether the reflections belong to it (the dihedral groups).
    """

    rotations: int
    reflections: bool

    @property
    def name(self) -> str:
        """The name, such as C8 or D4."""
        return f"{'D' if self.reflections else 'C'}{self.rotations}"

    @property
    def order(self) -> int:
        """Number of elements: N for C_N, 2N for D_N."""
        return self.rotations * (2 if self.reflections else 1)


def is_group_name(name: str) -> bool:
    """Tell whether `name` has the form of a group's name, allowed or not."""
    return _NAME.fullmatch(name) is not None


def parse_group(name: str) -> Group:
    """Return the group called `name`.

    The number of rotations is a power of two, so that the rotations by 90 degrees, exact on a
    pixel grid, belong to every larger group.

    Raises:
        InputError: no such group.
    """
    match = _NAME.fullmatch(name)
    rotations = int(match[2]) if match else 0
    if match is None or not 1 <= rotations <= _LARGEST_ROTATION or rotations & (rotations - 1):
        raise InputError(
            f"group {name!r}: allowed are C1, C2, C4, C8, C16, C32, C64 (rotations) and "
            "D1, D2, D4, D8, D16, D32, D64 (rotations and reflections)."
        )
    return Group(rotations, match[1] == "D")


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
