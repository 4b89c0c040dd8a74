"""Positions on the sky as tables give them: in degrees, or unknown."""

import math
import re
from collections.abc import Sequence

import numpy as np

from equimorph.errors import InputError

SKY_LIMITS = {"ra": (0.0, 360.0), "dec": (-90.0, 90.0)}
SEXAGESIMAL = r"[+-]?\d+ *[h:d° ] *\d+.*"
# Entries that one object may have; a position with more of them must be a placeholder.
MOST_AT_ONE_POSITION = 4
# Fewer positions than this fill no range, whatever their unit.
FEWEST = 20


def check_position(ra: str, dec: str) -> tuple[float, float]:
    """Return a row's position in degrees, NaN where both cells are empty or NaN.

    Raises:
        InputError: the cells hold something else; the message names the value and the remedy.
    """
    position = _degrees("ra", ra), _degrees("dec", dec)
    if math.isnan(position[0]) != math.isnan(position[1]):
        raise InputError("only one of ra and dec is given; give both or none")
    if position == (0, 0):
        raise InputError(
            f"ra '{ra}', dec '{dec}'; no galaxy is there: where it is unknown, leave both empty"
        )
    return position


def _degrees(name: str, cell: str) -> float:
    lowest, highest = SKY_LIMITS[name]
    try:
        value = float(cell or "nan")
    except ValueError:
        value = math.inf
    if math.isnan(value) or lowest <= value <= highest:
        return value
    remedy = ""
    if re.fullmatch(SEXAGESIMAL, cell):
        unit = "hours, minutes and seconds" if name == "ra" else "degrees, minutes and seconds"
        remedy = f"; {unit} must be converted"
    elif name == "ra" and -180 <= value < 0:
        remedy = "; where it is known, add 360"
    raise InputError(
        f"{name} '{cell}'; allowed are degrees from {lowest:g} to {highest:g}, or an empty cell "
        f"where it is unknown{remedy}"
    )


def check_positions(
    ra: Sequence[float] | np.ndarray,
    dec: Sequence[float] | np.ndarray,
    labels: Sequence[int] | np.ndarray,
    in_degrees: bool = False,
    how_to_say_so: str = "name the columns ra_deg and dec_deg",
) -> None:
    """Refuse positions that, taken together, cannot be true or cannot be in degrees.

    Args:
        ra: (N,) right ascension, degrees within their limits, NaN where unknown.
        dec: (N,) declination, likewise.
        labels: (N,) classes.
        in_degrees: whether the source says that these are degrees, so that a small patch of the sky
            that fills the range of hours or radians is one.
        how_to_say_so: what has to be done for that, for the message.

    Raises:
        InputError: many galaxies of different classes at one position, or values that fill the
            range of hours or radians; the message shows them and the remedy.
    """
    known = ~np.isnan(ra)
    sky = np.stack([ra, dec], axis=1)[known]
    if not in_degrees:
        _check_unit(sky, how_to_say_so)
    place, group, size = np.unique(sky, axis=0, return_inverse=True, return_counts=True)
    for which in np.flatnonzero(size > MOST_AT_ONE_POSITION):
        different = len(np.unique(np.asarray(labels)[known][group == which]))
        if different > 1:
            raise InputError(
                f"{size[which]} images of {different} classes have the same position, ra "
                f"{place[which][0]:g}, dec {place[which][1]:g}; where it stands for unknown, both "
                "must be empty, or NaN."
            )


def _check_unit(sky: np.ndarray, how_to_say_so: str) -> None:
    """Raise InputError where (N, 2) positions fill the range of hours or of radians.

    In degrees they would be a patch of 24 by more than 30, or of 6.3 by more than 0.5, with an edge
    just there: rare, and the column's name can say so.
    """
    if len(sky) < FEWEST:
        return
    lowest, highest = sky.min(axis=0), sky.max(axis=0)
    width = highest - lowest
    for unit, remedy, ra_end, dec_end, least_ra, least_dec in (
        ("radians", "both by 180/pi", 2 * math.pi, math.pi / 2, math.pi, 0.5),
        ("hours", "ra by 15", 24, 90, 12, 30),
    ):
        within = highest[0] <= ra_end and highest[1] <= dec_end and lowest[1] >= -dec_end
        if within and width[0] > least_ra and width[1] > least_dec:
            raise InputError(
                f"ra goes from {lowest[0]:.4g} to {highest[0]:.4g} and dec from {lowest[1]:.4g} to "
                f"{highest[1]:.4g}, as {unit} would; allowed are degrees: multiply {remedy}, or "
                f"{how_to_say_so} if these are degrees."
            )
