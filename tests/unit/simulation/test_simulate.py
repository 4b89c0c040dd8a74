"""Simulated galaxies: reproducible, of the classes they claim to be, and near the real sample."""

import csv
import os
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from equimorph.data.classes import GALAXY10_CLASSES
from equimorph.errors import InputError
from equimorph.simulation.exposure import FIELD
from equimorph.simulation.simulate import simulate
from tests.unit.simulation.shapes import PER_CLASS, axis_ratio


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
