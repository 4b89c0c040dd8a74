"""Names in a config, and what each of them stands for."""

from collections.abc import Mapping
from typing import TypeVar

from equimorph.errors import InputError

Value = TypeVar("Value")


def choose(table: Mapping[str, Value], key: str, name: str) -> Value:
    """Return what a name stands for.

    Args:
        table: the allowed names and what they stand for; the schema lists the same names.
        key: the config's key that holds the name, for the message.
        name: the name to look up.

    Raises:
        InputError: the name is not allowed.
    """
    if name not in table:
        raise InputError(f"{key} {name!r}: allowed are {', '.join(table)}.")
    return table[name]
