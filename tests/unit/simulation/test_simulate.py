"""Simulated galaxies: reproducible, of the classes they claim to be, and near the real sample."""

import csv
import os
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from equimorph.data.classes import GALAXY10_CLASSES
from equimorph.errors import InputError
from equimorph.simulation.exposure import FIELD, stretch
from equimorph.simulation.profiles import sersic, spiral_ridge
from equimorph.simulation.simulate import simulate

DISTURBED, MERGING, ROUND, BETWEEN, CIGAR, BARRED, TIGHT, LOOSE, EDGE, EDGE_BULGE = range(10)
PER_CLASS = 24


@pytest.fixture(scope="module")
def galaxies():
    return simulate(PER_CLASS, size=65, seed=1)


def luminance(images, aperture=14.0):
    """Pixel values above the sky within `aperture` arcsec, and the coordinates in arcsec."""
    size = images.shape[1]
    axis = (np.arange(size) - (size - 1) / 2) * FIELD / size
    x, y = np.meshgrid(axis, axis)
    inside = np.hypot(x, y) < aperture
    light = images.astype(float).mean(3)
    light -= np.median(light, axis=(1, 2), keepdims=True)
    return np.where((light > 10) & inside, light, 0), x, y


def axis_ratio(images):
    """Ratio of the principal second moments per image."""
    light, x, y = luminance(images)
    total = light.sum((1, 2))

    def mean(values):
        return (light * values).sum((1, 2)) / total

    mx, my = mean(x), mean(y)
    xx, yy, xy = mean(x * x) - mx * mx, mean(y * y) - my * my, mean(x * y) - mx * my
    spread = np.hypot((xx - yy) / 2, xy)
    return np.sqrt(((xx + yy) / 2 - spread) / ((xx + yy) / 2 + spread))


def asymmetry(images):
    """Share of the light that a rotation by 180 degrees moves."""
    light, _, _ = luminance(images)
    return np.abs(light - light[:, ::-1, ::-1]).sum((1, 2)) / light.sum((1, 2))


def concentration(images):
    """Share of the light within 3 arcsec."""
    light, x, y = luminance(images)
    return (light * (np.hypot(x, y) < 3)).sum((1, 2)) / light.sum((1, 2))


def unevenness(images):
    """Scatter of the light along a 3 to 7 arcsec ring beyond harmonics 0 to 2 of an ellipse."""
    light, x, y = luminance(images)
    radius, azimuth = np.hypot(x, y), np.arctan2(y, x)
    scores = []
    for low in (3, 4, 5, 6):
        ring = (radius >= low) & (radius < low + 1)
        basis = np.stack(
            [np.ones(ring.sum()), radius[ring]]
            + [f(m * azimuth[ring]) for m in (1, 2, 4) for f in (np.cos, np.sin)],
            axis=1,
        )
        values = light[:, ring].T
        rest = values - basis @ np.linalg.lstsq(basis, values, rcond=None)[0]
        scores.append(rest.std(0))
    return np.mean(scores, axis=0)


def medians(measure, galaxies):
    """Median of a measure per class."""
    values = measure(galaxies.images)
    return [np.median(values[galaxies.labels == c]) for c in range(len(GALAXY10_CLASSES))]


def test_shapes_types_and_order(galaxies):
    n = 10 * PER_CLASS
    assert galaxies.images.shape == (n, 65, 65, 3)
    assert galaxies.images.dtype == np.uint8
    assert galaxies.labels.tolist() == sorted(list(range(10)) * PER_CLASS)
    for name in ("ra", "dec", "redshift", "pxscale"):
        assert getattr(galaxies, name).shape == (n,)
        assert getattr(galaxies, name).dtype == np.float64
    assert np.allclose(galaxies.pxscale * 65, FIELD)
    known = galaxies.redshift[np.isfinite(galaxies.redshift)]
    assert 0.8 * n < len(known) < n
    assert known.min() > 0.01
    assert known.max() < 0.3
    assert ((galaxies.ra >= 0) & (galaxies.ra < 360)).all()
    assert ((galaxies.dec > -20) & (galaxies.dec < 34)).all()


def test_same_seed_same_bytes_and_a_larger_set_extends():
    small, again, large = simulate(1, 33, 7), simulate(1, 33, 7), simulate(3, 33, 7)
    for a, b in zip(small, again, strict=True):
        assert a.tobytes() == b.tobytes()
    first = np.arange(10) * 3
    assert np.array_equal(small.images, large.images[first])
    assert np.array_equal(small.ra, large.ra[first])
    assert not np.array_equal(small.images, simulate(1, 33, 8).images)
    assert len(np.unique(large.images.reshape(30, -1), axis=0)) == 30


@pytest.mark.parametrize("size", [33, 64, 101, 256])
def test_any_size_shows_the_same_field(size):
    images = simulate(1, size, 3).images
    assert images.shape == (10, size, size, 3)
    # What a size changes is sampling and noise, not how much light the field holds.
    reference = simulate(1, 65, 3).images
    for a, b in zip(images, reference, strict=True):
        assert abs(a.mean() - b.mean()) < 3


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"per_class": 0}, "per_class: 0"),
        ({"per_class": 2.5}, "per_class: 2.5"),
        ({"per_class": True}, "per_class: True"),
        ({"per_class": 1, "size": 32}, "size: 32 is not allowed; give an integer from 33"),
        ({"per_class": 1, "seed": -1}, "seed: -1"),
    ],
)
def test_bad_arguments_are_named(arguments, words):
    with pytest.raises(InputError, match=words):
        simulate(**arguments)


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


def test_both_windings_occur():
    """The same arms with opposite pitch are mirror images."""
    axis = np.linspace(-8, 8, 41)
    x, y = np.meshgrid(axis, axis)
    radius, azimuth = np.hypot(x, y), np.arctan2(y, x)
    left = spiral_ridge(radius, azimuth, 2, 0.3, 2.0, 2.0)
    right = spiral_ridge(radius, azimuth, 2, -0.3, 2.0, 2.0)
    assert np.allclose(left, right[::-1], atol=1e-6)
    assert not np.allclose(left, right, atol=0.1)


def test_half_of_a_sersic_profile_lies_within_its_effective_radius():
    axis = np.arange(-60, 60, 0.1) + 0.05
    radius = np.hypot(axis[:, None], axis)
    for n in (0.7, 1.0, 2.5):
        light = sersic(radius, 3.0, n)
        assert light[radius < 3].sum() / light.sum() == pytest.approx(0.5, abs=0.01)


def test_stretch_meets_the_published_formula():
    empty = stretch(np.zeros((3, 1, 1), dtype=np.float32)).ravel() * 255
    assert np.allclose(empty, 255 * np.arcsinh(20 * 0.03) / np.sqrt(20), atol=0.01)
    assert stretch(np.full((3, 1, 1), 10, dtype=np.float32)).max() == 1


@pytest.fixture(scope="module")
def real():
    folder = os.environ.get("EQUIMORPH_REAL_DATA")
    if not folder:
        pytest.skip("EQUIMORPH_REAL_DATA is not set to a folder of real galaxies")
    with open(Path(folder) / "manifest.csv", newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    rows = [row for i, row in enumerate(rows) if i % 4 == 0]
    images = []
    for row in rows:
        with Image.open(Path(folder) / row["path"]) as image:
            small = image.convert("RGB").resize((65, 65), Image.Resampling.BILINEAR)
        images.append(np.asarray(small))
    return np.stack(images), np.array([int(row["label"]) for row in rows])


def test_statistics_are_near_the_real_sample(galaxies, real):
    images, labels = real
    corner = (slice(None), slice(0, 10), slice(0, 10))
    sky, real_sky = galaxies.images[corner], images[corner]
    assert np.allclose(np.median(sky, (0, 1, 2)), np.median(real_sky, (0, 1, 2)), atol=1.5)

    def noise(corners):
        return np.median(corners.reshape(len(corners), -1, 3).std(1), 0)

    assert np.allclose(noise(sky), noise(real_sky), rtol=0.35)
    for c, name in enumerate(GALAXY10_CLASSES):
        a, b = galaxies.images[galaxies.labels == c], images[labels == c]
        assert a.mean() == pytest.approx(b.mean(), abs=4), name
        assert np.median(axis_ratio(a)) == pytest.approx(np.median(axis_ratio(b)), abs=0.15), name
