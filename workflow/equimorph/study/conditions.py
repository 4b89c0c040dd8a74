"""Conditions as data: what can be done to test images."""

from collections.abc import Mapping
from typing import Any

from equimorph.errors import InputError
from equimorph.robustness.degradations import find


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
