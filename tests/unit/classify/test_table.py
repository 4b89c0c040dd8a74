"""Tables of predictions: three kinds, and what an ended run leaves."""

import csv
import json

import pandas as pd
import pytest

from equimorph.classify.table import ROWS, Table
from equimorph.errors import InputError

CALL = {"top": None, "network": "x"}


def row(number):
    return {"name": f"{number}.png", "label": "round", "probability": number / 7, "warning": None}


def unread(number):
    return {"name": f"{number}.png", "error": "not a readable image"}


@pytest.mark.parametrize("suffix", ["csv", "json", "parquet"])
def test_the_three_kinds_hold_the_same(tmp_path, suffix):
    path = tmp_path / f"found.{suffix}"
    with Table(path, CALL) as table:
        table.append([row(0), unread(1), row(2)])
        assert table.finish(tmp_path / "unread.csv") == (1, [unread(1)])
    readers = {"csv": pd.read_csv, "json": pd.read_json, "parquet": pd.read_parquet}
    found = readers[suffix](path)
    assert list(found) == [*row(0)] and found["name"].tolist() == ["0.png", "2.png"]
    assert found["probability"].tolist() == pytest.approx([0, 2 / 7])
    with open(tmp_path / "unread.csv") as file:
        assert [*csv.DictReader(file)] == [unread(1)]
    assert sorted(p.name for p in tmp_path.iterdir()) == [path.name, "unread.csv"]


@pytest.mark.parametrize("suffix", ["csv", "json", "parquet"])
def test_a_table_without_rows_is_one(tmp_path, suffix):
    with Table(tmp_path / f"none.{suffix}", CALL) as table:
        assert table.finish(tmp_path / "unread.csv") == (0, [])
    assert [p.name for p in tmp_path.iterdir()] == [f"none.{suffix}"]
    if suffix == "json":
        assert json.loads((tmp_path / "none.json").read_text()) == []


def test_more_rows_than_are_in_memory_at_a_time(tmp_path):
    with Table(tmp_path / "many.parquet", CALL) as table:
        table.append(row(number) for number in range(ROWS + 5))
        table.finish(tmp_path / "unread.csv")
    assert len(pd.read_parquet(tmp_path / "many.parquet")) == ROWS + 5


def test_a_run_goes_on_behind_the_last_whole_line(tmp_path):
    path = tmp_path / "found.csv"
    with Table(path, CALL) as table:
        table.append([row(0), row(1)])
    part = tmp_path / "found.csv.part"
    part.write_bytes(part.read_bytes() + b'{"name": "2.png", "lab')
    with Table(path, CALL) as table:
        assert [*table.names()] == ["0.png", "1.png"]
        table.append([row(2)])
        table.finish(tmp_path / "unread.csv")
    assert pd.read_csv(path)["name"].tolist() == ["0.png", "1.png", "2.png"]


def test_a_table_that_is_there_stays_until_the_new_one_is_whole(tmp_path):
    path = tmp_path / "found.csv"
    path.write_text("old")
    with Table(path, CALL) as table:
        table.append([row(0)])
        assert path.read_text() == "old"
        table.finish(tmp_path / "unread.csv")
    assert path.read_text().startswith("name,")


@pytest.mark.parametrize("content", [b"no line of ours", b"name,label\n0.png,round\n1.png"])
def test_somebody_elses_file_is_left_alone(tmp_path, content):
    part = tmp_path / "found.csv.part"
    part.write_bytes(content)
    with pytest.raises(InputError, match="or is no such file; remove it"):
        Table(tmp_path / "found.csv", CALL)
    assert part.read_bytes() == content
    assert [p.name for p in tmp_path.iterdir()] == [part.name]


def test_two_runs_do_not_write_one_table(tmp_path):
    path = tmp_path / "found.csv"
    with Table(path, CALL), pytest.raises(InputError, match="another run writes this table"):
        Table(path, CALL)


def test_rows_of_another_call_are_left_alone(tmp_path):
    with Table(tmp_path / "found.csv", CALL) as table:
        table.append([row(0)])
    before = (tmp_path / "found.csv.part").read_bytes()
    with pytest.raises(InputError, match=r"found\.csv\.part: holds rows of another call"):
        Table(tmp_path / "found.csv", {**CALL, "top": 3})
    assert (tmp_path / "found.csv.part").read_bytes() == before


def test_other_places_are_refused(tmp_path):
    with pytest.raises(InputError, match=r"allowed are files that end in \.csv, \.json, \.parquet"):
        Table(tmp_path / "found.txt", CALL)
    (tmp_path / "folder.csv").mkdir()
    with pytest.raises(InputError, match="this is a folder"):
        Table(tmp_path / "folder.csv", CALL)
