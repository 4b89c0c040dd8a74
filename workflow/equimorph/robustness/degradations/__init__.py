"""What can be done to a test image, one module per kind, found by name.

A condition depends on its own kind's module alone. A module has

- `SETTINGS`: its keys of a condition, each with a test of a value and words for what is allowed;
- `NEEDED`: the sets of keys of which one must be given whole; `seed` stands among them where the
  draw is random;
- `NEEDS_MEAN`: whether it needs the mean pixel value of the whole test set;
- `apply(image, rng, mean, **settings)`: an image (H, H, 3) uint8 in, and out again degraded; `rng`
  is the image's own random stream, the settings are the condition's keys but `kind` and `seed`;
- `describe(settings)`: what it does, in words.

The schema lists the keys, too.
"""

import math
import pkgutil
from collections.abc import Callable
from importlib import import_module
from types import ModuleType
from typing import Any

from equimorph.errors import InputError
from equimorph.sources import DEGRADATIONS

Allowed = tuple[Callable[[Any], bool], str]


def is_number(value: Any) -> bool:
    """Return whether a value is a finite number."""
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


SEED: Allowed = (lambda v: is_number(v) and isinstance(v, int) and v >= 0, "an integer from 0 up")


def find(kind: Any) -> ModuleType:
    """Return the module of a kind of degradation.

    Raises:
        InputError: there is none.
    """
    kinds = sorted(module.name for module in pkgutil.iter_modules(__path__))
    if kind not in kinds:
        raise InputError(f"degradation kind {kind!r}: allowed are none, {', '.join(kinds)}.")
    return import_module(f"{DEGRADATIONS}.{kind}")
