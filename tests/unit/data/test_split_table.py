"""Splits that somebody else has made: read, taken as they are, and audited."""

import gzip
import json

import numpy as np
import pandas as pd
import pytest

from equimorph.data.split_file import read_split
from equimorph.data.split_table import leaks, read_split_table, split_by_table
from equimorph.errors import InputError
from tests.scripts import load

# Two classes; rows 0 and 3 are at one position, 1 and 4 are 10 arcsec apart.
CATALOGUE = pd.DataFrame(
    {
        "index": range(6),
        "label": [0, 1, 0, 1, 0, 1],
        "class_name": ["round", "edge-on"] * 3,
        "ra": [10.0, 20, 30, 10, 20, np.nan],
        "dec": [0.0, 0, 0, 0, 10 / 3600, np.nan],
        "redshift": np.nan,
        "pxscale": 0.262,
        "h5_index": [7, 3, 9, 1, 0, 12],
    }
)
SUBSETS = ["train", "train", "test", "test", "validation", "validation"]


def write(folder, text, name="split.csv"):
    path = folder / name
    path.write_text(text)
    return path


def by_row(folder, subsets=SUBSETS):
    return write(folder, "row,subset\n" + "".join(f"{i},{s}\n" for i, s in enumerate(subsets)))


def test_rows_of_the_raw_file(tmp_path):
    split, counts = split_by_table(CATALOGUE, read_split_table(by_row(tmp_path)), "it")
    assert {part: rows.tolist() for part, rows in split.items()} == {
        "train": [0, 1],
        "validation": [4, 5],
        "test": [2, 3],
        "unused": [],
        "quarantined": [],
    }
    assert counts == {"entries": 6, "without_image": 0, "without_entry": 0}


def test_rows_of_the_file_that_the_images_were_taken_from(tmp_path):
    rows = "7,train\n3,train\n9,TEST\n1,test\n0,val\n12,Valid\n999,test\n"
    path = tmp_path / "split.csv.gz"
    path.write_bytes(gzip.compress(f"H5_Index, Subset\n{rows}".encode()))
    split, counts = split_by_table(CATALOGUE, read_split_table(path), path)
    assert split["test"].tolist() == [2, 3]
    assert split["validation"].tolist() == [4, 5]
    assert counts == {"entries": 7, "without_image": 1, "without_entry": 0}


def test_galaxies_that_the_table_does_not_name_are_unused(tmp_path):
    table = pd.concat([CATALOGUE, CATALOGUE.assign(h5_index=range(100, 106))], ignore_index=True)
    split, counts = split_by_table(table, read_split_table(by_row(tmp_path)), "it")
    assert split["unused"].tolist() == list(range(6, 12))
    assert counts["without_entry"] == 6


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            "row,part\n0,train\n",
            "has the columns row, part; needed are subset, and row or h5_index",
        ),
        ("subset\ntrain\n", "needed are subset, and row or h5_index"),
        ("row,subset\n0,holdout\n", "column subset: 'holdout' is not allowed; allowed are test"),
        ("row,subset\n0,train\n0,test\n", "column row, row 1: '0' is not allowed; .* each once"),
        ("row,subset\n-1,train\n", "column row, row 0: '-1' is not allowed"),
        ("row,subset\n1.5,train\n", "column row, row 0"),
        ("row,subset\nx,train\n", "column row, row 0: 'x'"),
        ("", "not a readable CSV table"),
    ],
)
def test_bad_tables_are_named(tmp_path, text, message):
    path = write(tmp_path, text)
    with pytest.raises(InputError, match=message) as caught:
        read_split_table(path)
    assert str(path) in str(caught.value)


@pytest.mark.parametrize(
    ("subsets", "catalogue", "message"),
    [
        (["train"] * 6, CATALOGUE, "class 0 has no galaxy in test"),
        (
            ["train", "train", "test", "test", "validation", "unused"],
            CATALOGUE,
            "class 1 .*validation",
        ),
        (SUBSETS, CATALOGUE[:2], "4 of 6 entries are not in the raw file"),
    ],
)
def test_tables_that_do_not_fit_are_refused(tmp_path, subsets, catalogue, message):
    table = read_split_table(by_row(tmp_path, subsets))
    with pytest.raises(InputError, match=message):
        split_by_table(catalogue, table, "split.csv")


def test_h5_index_needs_it_in_the_raw_file(tmp_path):
    table = read_split_table(write(tmp_path, "h5_index,subset\n7,train\n"))
    with pytest.raises(InputError, match="needed is the key h5_index"):
        split_by_table(CATALOGUE.drop(columns="h5_index"), table, "split.csv")


def test_what_leaks_is_found(tmp_path):
    split, _ = split_by_table(CATALOGUE, read_split_table(by_row(tmp_path)), "it")
    found = leaks(split, CATALOGUE, 20, np.array([[2, 5], [0, 1]]), np.array([1, 2]))
    assert found["same_position"] == {"pairs": 1, "across": 1}
    assert found["within_radius"] == {"pairs": 2, "across": 2}
    assert found["lookalikes"] == {"pairs": 2, "across": 1}
    # 2 is a look-alike of a validation image, and blank; 3 is where the training galaxy 0 is.
    assert found["test_rows"] == [2, 3]


def test_the_script_describes_the_table(tmp_path):
    CATALOGUE.to_csv(tmp_path / "catalogue.csv", index=False)
    write(tmp_path, "index_a,label_a,index_b,label_b,similarity\n", "lookalikes.csv")
    write(tmp_path, "index,label\n", "blank.csv")
    load("workflow/scripts/data/split.py").main(
        [
            *[
                "--catalogue",
                f"{tmp_path}/catalogue.csv",
                "--lookalikes",
                f"{tmp_path}/lookalikes.csv",
            ],
            *["--blank", f"{tmp_path}/blank.csv", "--protocol", "table", "--seed", "1"],
            *["--train", "0.7", "--validation", "0.1", "--test", "0.2", "--radius-arcsec", "20"],
            *["--table", str(by_row(tmp_path)), "--origin", "somebody"],
            *["--output-csv", f"{tmp_path}/out.csv", "--output-json", f"{tmp_path}/out.json"],
        ]
    )
    described = json.loads((tmp_path / "out.json").read_text())
    assert described["table"]["origin"] == "somebody"
    assert described["fractions"] == {"test": 1 / 3, "validation": 1 / 3, "train": 1 / 3}
    assert described["leaks"]["test_rows"] == [3]
    assert "seed" not in described
    assert read_split(tmp_path / "out.csv")["test"].tolist() == [2, 3]
