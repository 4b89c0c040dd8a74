"""Sweeps: one degradation at several levels, as data. The key whose value is a list is swept."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from equimorph.errors import InputError
from equimorph.robustness.degradations import is_number
from equimorph.study.conditions import check_spec


@dataclass(frozen=True)
class Axis:
    """What is swept, for a figure's axis.

    Attributes:
        label: with its unit.
        percent: whether values are shown in per cent.
        falling: whether smaller values are worse; worse stands to the right.
        logarithmic: whether equal ratios of values count alike, in figures and areas.
    """

    label: str
    percent: bool = False
    falling: bool = False
    logarithmic: bool = False


AXES = {
    ("noise", "gain"): Axis("electrons per pixel value", falling=True, logarithmic=True),
    ("noise", "level"): Axis("loss of signal-to-noise (%)", percent=True),
    ("resolution", "scale"): Axis("resolution left (%)", True, falling=True, logarithmic=True),
    ("rotation", "angle"): Axis("angle (degrees)"),
    ("seeing", "fwhm"): Axis("seeing added (FWHM, arcsec)"),
    ("exposure", "share"): Axis("exposure time left (%)", True, falling=True, logarithmic=True),
    ("jpeg", "quality"): Axis("JPEG quality", falling=True),
}


def swept_key(sweep: Mapping[str, Any]) -> str:
    """Return the key of a sweep whose values are listed.

    Raises:
        InputError: there is none, or more than one.
    """
    listed = [key for key, value in sweep.items() if isinstance(value, list)]
    if len(listed) != 1:
        raise InputError(
            f"lists of values under {', '.join(listed) or 'no key'}: exactly one key is swept."
        )
    return listed[0]


def axis(sweep: Mapping[str, Any]) -> Axis:
    """Return what a sweep varies; a key without an entry in `AXES` is shown by its name."""
    key = swept_key(sweep)
    return AXES.get((sweep["kind"], key), Axis(f"{sweep['kind']}: {key}"))


def levels(name: str, sweep: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """Return a sweep's conditions by name; `+`, which no condition's own name has, marks them."""
    key = swept_key(sweep)
    return {f"{name}+{value:g}": {**sweep, key: value} for value in sweep[key]}


def conditions(sweeps: Mapping[str, Mapping[str, Any]]) -> dict[str, dict[str, Any]]:
    """Return the conditions of all sweeps, by name."""
    return {
        level: condition
        for name, sweep in sweeps.items()
        for level, condition in levels(name, sweep).items()
    }


def check_sweeps(sweeps: Mapping[str, Mapping[str, Any]]) -> None:
    """Check what is swept.

    Raises:
        InputError: no key or several with a list, fewer than two numbers, one that stands twice, or
            one that the degradation does not allow; the message names the sweep.
    """
    for name, sweep in sweeps.items():
        try:
            values = sweep[swept_key(sweep)]
            if not all(map(is_number, values)) or len({*values}) < max(2, len(values)):
                raise InputError(
                    f"values {values}: at least two different numbers are needed, each once."
                )
            for value in values:
                check_spec({**sweep, swept_key(sweep): value})
        except InputError as error:
            raise InputError(f"config: analyses.sweeps.{name}: {error}") from error
