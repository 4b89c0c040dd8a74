"""Data sets made of another one: opened images, classes filled up."""

import h5py
import numpy as np
import pandas as pd
import pytest

from equimorph.analyses.data_sets import opened, oversampled, read_raw
from equimorph.data.positions import check_positions
from equimorph.data.raw import write_raw
from equimorph.data.split_file import split_csv
from equimorph.data.split_table import read_split_table
from equimorph.errors import InputError
from equimorph.io import write_json
from equimorph.robustness.degradations import opening
from equimorph.simulation.simulate import simulate
from equimorph.training.augment import Augmentation
from tests.scripts import load

SETTINGS = {"rotation": 180, "flip": 0.5, "scale": 1.0, "shift": 0.0, "brightness": 0.1}
# Of each class galaxies 0 to 5; of the first two classes few are training images.
SPLIT = {
    "train": np.array([row for row in range(60) if row % 6 < (1 if row < 12 else 4)]),
    "validation": np.array([row for row in range(60) if row % 6 == 4]),
    "test": np.array([row for row in range(60) if row % 6 == 5]),
}


@pytest.fixture(scope="module")
def raw():
    return simulate(6, 33, seed=3)


def test_opened_images_are_those_of_the_degradation(raw):
    found = opened(raw, 3)
    for before, after in zip(raw.images, found.images, strict=True):
        expected = opening.apply(before, np.random.default_rng(0), None, radius=3)
        np.testing.assert_array_equal(after, expected)
    assert (found.images <= raw.images).all() and (found.images < raw.images).any()
    np.testing.assert_array_equal(found.labels, raw.labels)


def test_every_class_has_as_many_training_images_as_the_largest(raw):
    found, table = oversampled(raw, SPLIT, Augmentation(**SETTINGS), seed=1)
    training = table[table["subset"] == "train"]["row"]
    assert np.bincount(found.labels[training]).tolist() == [4] * 10
    assert len(found.images) == 60 + 2 * 3
    np.testing.assert_array_equal(found.images[:60], raw.images)
    copies = table[table["copy_of"] >= 0]
    assert copies["row"].tolist() == list(range(60, 66))
    assert set(copies["subset"]) == {"train"} and set(copies["copy_of"]) <= set(SPLIT["train"])
    for row, original in copies[["row", "copy_of"]].to_numpy():
        assert found.labels[row] == raw.labels[original]
        assert np.isnan(found.ra[row]) and np.isnan(found.dec[row])
        assert (found.images[row] != raw.images[original]).any()
    for subset in ("validation", "test"):
        rows = table[table["subset"] == subset]["row"]
        np.testing.assert_array_equal(rows, SPLIT[subset])


def test_galaxies_with_two_labels_stay_a_pair(raw):
    """Positions that many galaxies of several classes have are refused as a mistake."""
    pair = raw._replace(ra=raw.ra.copy(), dec=raw.dec.copy())
    pair.ra[[0, 6]], pair.dec[[0, 6]] = 120.679, 18.6319
    found, _ = oversampled(pair, SPLIT, Augmentation(**SETTINGS), seed=1)
    check_positions(found.ra, found.dec, found.labels, True, "")


def test_the_seed_draws_the_copies(raw):
    first, again, other = (
        oversampled(raw, SPLIT, Augmentation(**SETTINGS), seed)[0].images for seed in (1, 1, 2)
    )
    np.testing.assert_array_equal(first, again)
    assert (first != other).any()


def train_alone(rows):
    """Return a split that has these training images and no others."""
    return {subset: np.array([], int) for subset in SPLIT} | {"train": np.array(rows, int)}


def test_balanced_classes_have_no_copies(raw):
    found, table = oversampled(raw, train_alone(range(60)), Augmentation(**SETTINGS), seed=1)
    assert len(found.images) == 60 and (table["copy_of"] == -1).all()


@pytest.mark.parametrize("rows", [[], [0, 60]])
def test_a_split_that_does_not_fit_is_refused(raw, rows):
    with pytest.raises(InputError, match="among the rows 0 to 59 of the data set"):
        oversampled(raw, train_alone(rows), Augmentation(**SETTINGS), seed=1)


def test_the_scripts_write_sources_of_a_study(raw, tmp_path):
    write_raw(tmp_path / "raw.h5", *raw)
    with h5py.File(tmp_path / "raw.h5", "r+") as file:
        file["h5_index"] = np.arange(100, 160)
        file["ra"].attrs["units"] = file["dec"].attrs["units"] = "deg"
    (tmp_path / "split.csv").write_text(split_csv(SPLIT, raw.labels))
    write_json(tmp_path / "augmentation.json", SETTINGS)
    load("workflow/scripts/analyses/oversample.py").main(
        ["--raw", f"{tmp_path}/raw.h5", "--split", f"{tmp_path}/split.csv", "--seed", "1"]
        + ["--augmentation", f"{tmp_path}/augmentation.json"]
        + ["--output", f"{tmp_path}/more.h5", "--output-split", f"{tmp_path}/more.csv"]
    )
    expected, table = oversampled(raw, SPLIT, Augmentation(**SETTINGS), seed=1)
    np.testing.assert_array_equal(read_raw(tmp_path / "more.h5").images, expected.images)
    read = read_split_table(tmp_path / "more.csv")
    pd.testing.assert_frame_equal(read[["row", "subset"]], table[["row", "subset"]])

    script = load("workflow/scripts/analyses/open_images.py").main
    arguments = ["--raw", f"{tmp_path}/raw.h5", "--output", f"{tmp_path}/opened.h5"]
    script([*arguments, "--radius", "4"])
    with h5py.File(tmp_path / "opened.h5") as file:
        assert file["h5_index"][:].tolist() == list(range(100, 160))
        assert file["ra"].attrs["units"] == file["dec"].attrs["units"] == "deg"
    with h5py.File(tmp_path / "more.h5") as file:
        assert "h5_index" not in file and file["ra"].attrs["units"] == "deg"
    images = read_raw(tmp_path / "opened.h5").images
    np.testing.assert_array_equal(images, opened(raw, 4).images)
    with pytest.raises(InputError, match="radius 0: allowed is a whole number of pixels"):
        script([*arguments, "--radius", "0"])
