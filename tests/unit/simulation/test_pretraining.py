"""Simulated galaxies to pretrain on: scale, JPEG, and a split without a test set."""

import numpy as np
import pytest

from equimorph.errors import InputError
from equimorph.simulation.exposure import FIELD
from equimorph.simulation.pretraining import (
    VALIDATION,
    recompressed,
    simulate_pretraining,
    split_pretraining,
)
from equimorph.simulation.simulate import simulate


def test_images_are_the_centre_of_the_field_at_its_scale():
    images, table = simulate_pretraining(10, 40, FIELD / 2, seed=3)
    whole = simulate(10, 80, seed=3)
    assert np.array_equal(images, whole.images[:, 20:60, 20:60])
    assert table["pxscale"].to_numpy() == pytest.approx(FIELD / 80)
    assert np.bincount(table["label"]).tolist() == [10] * 10
    assert table["class_name"].iloc[-1] == "Edge-on with Bulge"


def test_jpeg_smooths_what_it_compresses():
    image = np.random.default_rng(0).integers(0, 60, (48, 48, 3), dtype=np.uint8)
    assert recompressed(image, 50).std() < recompressed(image, 90).std() < image.std()
    images, _ = simulate_pretraining(10, 40, FIELD / 2, seed=3, jpeg=86)
    plain, _ = simulate_pretraining(10, 40, FIELD / 2, seed=3)
    assert np.array_equal(images[5], recompressed(plain[5], 86))


def test_the_last_tenth_of_each_class_is_for_validation():
    split = split_pretraining(np.repeat([0, 1], 25))
    assert split["validation"].tolist() == [22, 23, 24, 47, 48, 49]
    assert len(split["train"]) == 44
    assert not len(split["test"])


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((VALIDATION - 1, 40, 40.0, 0), "per_class 9"),
        ((10, 40, 70.0, 0), "field 70 arcsec: allowed is up to the simulator's 67.1"),
        ((10, 40, 0.0, 0), "field 0"),
    ],
)
def test_bad_arguments_are_named(arguments, message):
    with pytest.raises(InputError, match=message):
        simulate_pretraining(*arguments)
