"""Positions in degrees are taken, unknown ones stay unknown, all else is refused with the remedy.

How a manifest's columns are named, and how it tells the rows, is in test_manifest.py.
"""

import math

import numpy as np
import pytest

from equimorph.data.positions import FEWEST, MOST_AT_ONE_POSITION, check_position, check_positions
from equimorph.errors import InputError


@pytest.mark.parametrize(
    ("ra", "dec", "expected"),
    [("0", "-90", (0, -90)), ("360", "90", (360, 90)), ("1e1", "+3.5", (10, 3.5))],
)
def test_degrees_up_to_their_limits(ra, dec, expected):
    assert check_position(ra, dec) == expected


def test_unknown_in_both_or_in_none():
    assert all(map(math.isnan, check_position("", "nan")))
    for cells in (("10", ""), ("", "10")):
        with pytest.raises(InputError, match="only one of ra and dec is given"):
            check_position(*cells)


@pytest.mark.parametrize(
    ("ra", "dec", "message"),
    [
        ("0", "-0", "no galaxy is there"),
        ("-0.1", "3", "ra '-0.1'; allowed are degrees from 0 to 360.* add 360"),
        ("-999", "3", "ra '-999'; allowed are degrees .* where it is unknown$"),
        ("10", "90.1", "dec '90.1'; allowed are degrees from -90 to 90"),
        ("inf", "3", "ra 'inf'"),
        ("12:30:05", "3", "ra '12:30:05'.* hours, minutes and seconds must be converted"),
        ("10", "-1d30m", "dec '-1d30m'.* degrees, minutes and seconds must be converted"),
        ("north", "3", "ra 'north'"),
    ],
)
def test_what_is_no_position(ra, dec, message):
    with pytest.raises(InputError, match=message):
        check_position(ra, dec)


def sky(n):
    """Positions on a third of the sky, as surveys have them, in degrees."""
    draw = np.random.default_rng(0)
    return draw.uniform(0.1, 360, n), np.rad2deg(np.arcsin(draw.uniform(-0.4, 0.6, n)))


@pytest.mark.parametrize(
    ("factors", "message"), [((1 / 15, 1), "hours .* ra by 15"), ((math.pi / 180,) * 2, "radians")]
)
def test_other_units_are_told_by_their_range(factors, message):
    ra, dec = sky(60)
    check_positions(ra, dec, np.zeros(60))
    ra, dec = ra * factors[0], dec * factors[1]
    with pytest.raises(InputError, match=f"as {message}"):
        check_positions(ra, dec, np.zeros(60))
    check_positions(ra, dec, np.zeros(60), in_degrees=True)
    few = FEWEST - 1  # fill no range
    check_positions(ra[:few], dec[:few], np.zeros(few))


def test_a_position_of_many_is_a_placeholder_unless_they_are_of_one_class():
    n = MOST_AT_ONE_POSITION + 1
    ra, dec = np.full(n, 10.0), np.full(n, 20.0)
    check_positions(ra[1:], dec[1:], range(n - 1))
    check_positions(ra, dec, np.ones(n))
    with pytest.raises(InputError, match=f"{n} images of {n} classes have the same position, ra"):
        check_positions(ra, dec, range(n))
    unknown = np.full(n, np.nan)
    check_positions(unknown, unknown, range(n))
