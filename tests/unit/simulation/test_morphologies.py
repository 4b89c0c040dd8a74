"""Simulated galaxies look like the classes that they claim to be."""

from equimorph.data.classes import GALAXY10_CLASSES
from tests.unit.simulation.shapes import (
    BARRED,
    BETWEEN,
    CIGAR,
    DISTURBED,
    EDGE,
    EDGE_BULGE,
    LOOSE,
    MERGING,
    ROUND,
    TIGHT,
    asymmetry,
    axis_ratio,
    concentration,
    medians,
    unevenness,
)


def test_axis_ratios_order_the_smooth_classes(galaxies):
    q = medians(axis_ratio, galaxies)
    assert q[ROUND] > q[BETWEEN] + 0.1
    assert q[BETWEEN] > q[CIGAR] + 0.1
    assert q[EDGE] < q[CIGAR]
    assert q[EDGE_BULGE] < q[BETWEEN]


def test_disturbed_and_merging_are_asymmetric(galaxies):
    a = medians(asymmetry, galaxies)
    for regular in (ROUND, BETWEEN, CIGAR, BARRED, TIGHT, EDGE, EDGE_BULGE):
        assert min(a[DISTURBED], a[MERGING]) > a[regular] + 0.15, GALAXY10_CLASSES[regular]


def test_spirals_have_structure_that_smooth_galaxies_lack(galaxies):
    s = medians(unevenness, galaxies)
    for spiral in (BARRED, TIGHT, LOOSE):
        for plain in (ROUND, BETWEEN):
            assert s[spiral] > 1.2 * s[plain]


def test_a_bulge_concentrates_an_edge_on_disc(galaxies):
    c = medians(concentration, galaxies)
    assert c[EDGE_BULGE] > 1.3 * c[EDGE]
