"""Conditions as data: what can be done to test images."""

from collections.abc import Mapping, Sequence
from typing import Any

from equimorph.errors import InputError
from equimorph.robustness.degradations import find

Condition = Mapping[str, Any] | Sequence[Mapping[str, Any]]


def steps_of(condition: Condition) -> list[dict[str, Any]]:
    """Return the degradations of a condition, in the order in which they are applied."""
    if isinstance(condition, Mapping):
        return [dict(condition)]
    return [dict(step) for step in condition]


def check_condition(condition: Condition) -> None:
    """Check what is to be done to the images: one degradation, or several in order.

    Raises:
        InputError: a key or a value is not allowed, or one of several does nothing.
    """
    steps = steps_of(condition)
    if not steps:
        raise InputError("no degradation: allowed are one, or a list of at least one.")
    for number, step in enumerate(steps, start=1):
        try:
            if not isinstance(condition, Mapping) and step.get("kind") == "none":
                raise InputError("degradation none: a list holds only what does something.")
            check_spec(step)
        except InputError as error:
            if len(steps) == 1:
                raise
            raise InputError(f"number {number}: {error}") from error


def check_spec(spec: Mapping[str, Any]) -> None:
    """Check what is to be done to the images.

    Args:
        spec: `{"kind": "none"}`, or a kind of degradation and its settings, such as
            `{"kind": "rotation", "seed": 7}` or `{"kind": "resolution", "scale": 0.5}`.

    Raises:
        InputError: a key or a value is not allowed.
    """
    kind, given = spec.get("kind"), {key: spec[key] for key in spec if key != "kind"}
    if kind == "none":
        if given:
            raise InputError(f"degradation none: it has no keys; given are {', '.join(given)}.")
        return
    degradation = find(kind)
    allowed = degradation.SETTINGS
    complete = any(needed <= given.keys() for needed in degradation.NEEDED)
    if not complete or not given.keys() <= allowed.keys():
        needed = " or ".join(", ".join(sorted(keys)) for keys in degradation.NEEDED)
        raise InputError(
            f"degradation {kind}: given are the keys {', '.join(sorted(given)) or 'none'}; needed "
            f"are {needed}, allowed are {', '.join(sorted(allowed))}."
        )
    for key in sorted(given):
        accepts, meaning = allowed[key]
        if not accepts(given[key]):
            raise InputError(f"degradation {kind}: {key} {given[key]!r}: allowed is {meaning}.")
