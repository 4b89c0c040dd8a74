"""Conditions as data: what can be done to test images, checked without loading what does it."""

import math
from collections.abc import Callable, Mapping
from typing import Any

from equimorph.errors import InputError

# Of each kind of degradation the needed and the optional keys; an angle makes a seed needless.
KEYS = {
    "none": (set(), set()),
    "rotation": (set(), {"seed", "angle"}),
    "noise": ({"formula", "level", "seed"}, {"gain"}),
    "resolution": ({"scale"}, set()),
}
FORMULAS = ("physical", "legacy")


def check_spec(spec: Mapping[str, Any]) -> None:
    """Check what is to be done to the images.

    Args:
        spec: `{"kind": "none"}`; `{"kind": "rotation", "seed": 7}` for a random angle per image, or
            `"angle"` in degrees for a fixed one; `{"kind": "noise", "formula": "physical" or
            "legacy", "level": 0.5, "seed": 7}`; `{"kind": "resolution", "scale": 0.5}`.

    Raises:
        InputError: a key or a value is not allowed.
    """
    kind = spec.get("kind")
    if kind not in KEYS:
        raise InputError(f"degradation kind {kind!r}: allowed are {', '.join(KEYS)}.")
    needed, optional = KEYS[kind]
    given = set(spec) - {"kind"}
    if not needed <= given <= needed | optional or (kind == "rotation" and not given):
        raise InputError(
            f"degradation {kind}: given are the keys {', '.join(sorted(given)) or 'none'}; needed "
            f"are {', '.join(sorted(needed)) or 'none'}, allowed are "
            f"{', '.join(sorted(needed | optional)) or 'none'}"
            + ("; a rotation needs seed or angle." if kind == "rotation" else ".")
        )
    allowed: dict[str, tuple[Callable[[Any], bool], str]] = {
        "seed": (lambda v: isinstance(v, int) and v >= 0, "an integer from 0 up"),
        "angle": (math.isfinite, "a finite number of degrees"),
        "level": (lambda v: 0 <= v < 1, "a number from 0 to below 1"),
        "scale": (lambda v: 0 < v <= 1, "a number above 0, up to 1"),
        "gain": (lambda v: 0 < v < math.inf, "a number above 0"),
        "formula": (lambda v: v in FORMULAS, "one of " + ", ".join(FORMULAS)),
    }
    for key in sorted(given):
        accepts, meaning = allowed[key]
        value = spec[key]
        is_number = isinstance(value, int | float) and not isinstance(value, bool)
        if (key != "formula" and not is_number) or not accepts(value):
            raise InputError(f"degradation {kind}: {key} {value!r}: allowed is {meaning}.")
