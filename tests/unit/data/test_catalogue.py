"""The catalogue: written from a raw file, read and checked."""

import csv
import os

import numpy as np
import pandas as pd
import pytest

from equimorph.data.catalogue import COLUMNS, read_catalogue, write_catalogue
from equimorph.data.raw import write_raw
from equimorph.errors import InputError

IMAGES = np.zeros((3, 16, 16, 3), np.uint8)
NAMES = ("Merging", "Disturbed, faint", "Edge-on")
NAN = float("nan")
TABLE = pd.DataFrame(
    {
        "index": [0, 1, 2],
        "label": [0, 1, 1],
        "class_name": ["Round", "Spiral", "Spiral"],
        "ra": [10.5, NAN, 331.66405522483547],
        "dec": [-3.0, NAN, -0.4841546865670835],
        "redshift": [0.1, NAN, 0.02],
        "pxscale": [0.262, 0.262, NAN],
    }
)


def test_catalogue_keeps_every_digit(tmp_path):
    ra = np.array([331.66405522483547, 0.1 + 0.2, np.nan])
    dec = np.array([-0.4841546865670835, 1e-17, np.nan])
    redshift = np.array([np.nan, 0.0, 1 / 3])
    write_raw(tmp_path / "raw.h5", IMAGES, [2, 1, 0], ra, dec, redshift, np.full(3, 0.262))
    write_catalogue(tmp_path / "raw.h5", tmp_path / "catalogue.csv", NAMES)
    with open(tmp_path / "catalogue.csv", encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert tuple(rows[0]) == COLUMNS
    assert [(row["index"], row["label"], row["class_name"]) for row in rows] == [
        ("0", "2", "Edge-on"),
        ("1", "1", "Disturbed, faint"),
        ("2", "0", "Merging"),
    ]
    for key, values in (("ra", ra), ("dec", dec), ("redshift", redshift)):
        np.testing.assert_array_equal([float(row[key] or "nan") for row in rows], values)
    assert rows[2]["ra"] == ""


def test_label_without_a_name(tmp_path):
    write_raw(tmp_path / "raw.h5", IMAGES, [0, 1, 2], *np.full((4, 3), np.nan))
    with pytest.raises(InputError, match="label 2 has no name"):
        write_catalogue(tmp_path / "raw.h5", tmp_path / "a.csv", NAMES[:2])
    assert os.listdir(tmp_path) == ["raw.h5"]


def test_read_catalogue_keeps_every_digit_and_the_gaps(tmp_path):
    path = tmp_path / "catalogue.csv"
    TABLE.to_csv(path, index=False)
    pd.testing.assert_frame_equal(read_catalogue(path), TABLE, check_exact=True, check_dtype=False)


def test_read_catalogue_takes_columns_without_any_value(tmp_path):
    path = tmp_path / "catalogue.csv"
    TABLE.assign(ra=NAN, dec=NAN, redshift=NAN).to_csv(path, index=False)
    table = read_catalogue(path)
    assert table["ra"].dtype == np.float64
    assert table["ra"].isna().all()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"ra": ["ten", NAN, 3.0]}, "column ra, row 0: 'ten' is not allowed"),
        ({"ra": [10.0, NAN, 361.0]}, "column ra, row 2: .*0 to 360"),
        ({"dec": [1.0, NAN, -91.0]}, "column dec, row 2: .*-90 to 90"),
        ({"dec": [1.0, 2.0, 3.0]}, "column ra, row 1: .*known where dec is known"),
        ({"label": [0, 1.5, 1]}, "column label, row 1: .*an integer from 0 up"),
        ({"label": [0, -1, 1]}, "column label, row 1: "),
        ({"label": [0, NAN, 1]}, "column label, row 1: "),
        ({"index": [0, 2, 1]}, "column index, row 1: '2' .*counted from 0"),
        ({"class_name": ["Round", "Spiral", "Edge-on"]}, "column class_name, row 2: .*one name"),
        ({"class_name": ["Round", NAN, "Spiral"]}, "column class_name, row 1: "),
        ({"redshift": [0.1, "?", 0.2]}, "column redshift, row 1: "),
    ],
)
def test_read_catalogue_names_the_wrong_row(tmp_path, change, message):
    path = tmp_path / "catalogue.csv"
    TABLE.assign(**change).to_csv(path, index=False)
    with pytest.raises(InputError, match=message) as error:
        read_catalogue(path)
    assert str(path) in str(error.value)


def test_read_catalogue_names_what_is_missing(tmp_path):
    path = tmp_path / "catalogue.csv"
    with pytest.raises(InputError, match="not a readable CSV"):
        read_catalogue(path)
    TABLE.drop(columns=["redshift", "dec"]).to_csv(path, index=False)
    with pytest.raises(InputError, match="no column dec, redshift"):
        read_catalogue(path)
    TABLE.head(0).to_csv(path, index=False)
    with pytest.raises(InputError, match="has no rows"):
        read_catalogue(path)
