"""Tests of positions on the sphere: pairs and groups."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from equimorph.data.sky import ARCSEC, pairs_within, sky_groups
from equimorph.errors import InputError

NAN = float("nan")


def haversine(ra_a: float, dec_a: float, ra_b: float, dec_b: float) -> float:
    """Return the separation in arcsec by the haversine formula."""
    a, b = np.deg2rad([ra_a, dec_a]), np.deg2rad([ra_b, dec_b])
    h = np.sin((b[1] - a[1]) / 2) ** 2
    h += np.cos(a[1]) * np.cos(b[1]) * np.sin((b[0] - a[0]) / 2) ** 2
    return 2 * np.arcsin(np.sqrt(min(h, 1))) / ARCSEC


def brute_force_groups(n: int, pairs: set[tuple[int, int]]) -> list[int]:
    """Return the lowest member of each galaxy's group by repeated merging."""
    group = list(range(n))
    for _ in range(n):
        for a, b in pairs:
            group[a] = group[b] = min(group[a], group[b])
    return group


# Small patches where longitude misbehaves: the wrap, the poles, and a plain place.
PATCH = st.sampled_from([(0.0, 0.0), (359.99, 60.0), (123.0, 89.995), (7.0, -90.0), (180.0, 20.0)])
POINT = st.tuples(PATCH, st.floats(0, 0.04), st.floats(-0.02, 0.02))


@settings(max_examples=150, deadline=None)
@given(st.lists(POINT, min_size=1, max_size=14), st.floats(1, 100), st.data())
def test_pairs_and_groups_agree_with_brute_force(points, radius, data):
    ra = np.array([(p[0] + d) % 360 for p, d, _ in points])
    dec = np.array([np.clip(p[1] + d, -90, 90) for p, _, d in points])
    unknown = data.draw(st.sets(st.integers(0, len(points) - 1)))
    ra[list(unknown)] = dec[list(unknown)] = np.nan
    n = len(points)
    sep = {
        (i, j): haversine(ra[i], dec[i], ra[j], dec[j])
        for i in range(n)
        for j in range(i + 1, n)
        if not {i, j} & unknown
    }
    # Haversine near the poles is itself good to about 1e-9 arcsec.
    if any(abs(s - radius) < 1e-6 for s in sep.values()):
        return
    expected = {pair for pair, s in sep.items() if s <= radius}
    pairs, separation = pairs_within(ra, dec, radius)
    assert list(map(tuple, pairs.tolist())) == sorted(expected)
    for pair, value in zip(map(tuple, pairs.tolist()), separation, strict=True):
        assert value == pytest.approx(sep[pair], abs=1e-6)
    assert sky_groups(ra, dec, radius).tolist() == brute_force_groups(n, expected)


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ((0.0, 10.0), (360.0, 10.0)),
        ((0.0, 90.0), (217.3, 90.0)),
        ((10.0, -90.0), (190.0, -90.0)),
        ((234.88331604003903, 38.16370391845703), (234.88331604003903, 38.16370391845703)),
    ],
)
def test_the_same_position_is_found_in_every_notation(first, second):
    ra, dec = np.transpose([first, second])
    pairs, separation = pairs_within(ra, dec, 0)
    assert pairs.tolist() == [[0, 1]]
    assert separation[0] < 1e-9


def test_the_same_position_is_not_merely_a_close_one():
    pairs, _ = pairs_within(np.array([50.0, 50.0]), np.array([0.0, 0.001 / 3600]), 0)
    assert len(pairs) == 0


def test_separation_across_zero_and_across_the_pole():
    _, wrap = pairs_within(np.array([359.999, 0.001]), np.array([60.0, 60.0]), 10)
    assert wrap[0] == pytest.approx(0.002 * 3600 * 0.5, abs=1e-6)  # cos 60 deg
    _, pole = pairs_within(np.array([30.0, 210.0]), np.array([89.999, 89.998]), 20)
    assert pole[0] == pytest.approx(0.003 * 3600, abs=1e-6)


def test_a_chain_is_one_group_and_unknown_positions_are_alone():
    ra = np.array([5.0, NAN, 5.0, 5.0, NAN, 90.0])
    dec = np.array([0.0, NAN, 120 / 3600, 60 / 3600, NAN, 0.0])
    assert sky_groups(ra, dec, 67).tolist() == [0, 1, 0, 0, 4, 5]
    assert sky_groups(np.full(3, NAN), np.full(3, NAN), 67).tolist() == [0, 1, 2]


@pytest.mark.parametrize("radius", [-1, 180 * 3600 + 1, NAN])
def test_a_radius_off_the_sphere_is_refused(radius):
    with pytest.raises(InputError, match="allowed is 0 to 648000"):
        pairs_within(np.zeros(2), np.zeros(2), radius)
