"""Snakemake's records of files: found where it keeps them, and refused where they are damaged."""

import json
from datetime import UTC, datetime
from pathlib import Path

import pytest
from snakemake.persistence.file import FilePersistence

from equimorph.errors import InputError
from equimorph.io import sha256_of
from equimorph.lineage.records import Project, parse_record, read_records, record_file

WRITTEN = {
    "rule": "train",
    "input": ["train.py", "raw.h5"],
    "params": [0.1, "CNN"],
    "shellcmd": "python train.py",
    "starttime": 3600.0,
    "endtime": 3660.0,
    "input_checksums": {"train.py": "sha256:ab", "raw.h5": "sha256:cd"},
}


@pytest.mark.parametrize("length", [10, 190, 191, 500])
def test_records_lie_where_snakemake_looks_for_them(tmp_path, monkeypatch, length):
    monkeypatch.chdir(tmp_path)
    path = "results/" + "é" * (length // 2)
    theirs = FilePersistence()._record_path(".snakemake/metadata", path)
    assert record_file(".", path) == Path(theirs)


def test_a_record_is_read_as_it_was_written(tmp_path):
    for path in ("results/model.bin", "results/" + "long" * 100):
        place = record_file(tmp_path, path)
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_text(json.dumps(WRITTEN))
    records = read_records(tmp_path)
    assert set(records) == {"results/model.bin", "results/" + "long" * 100}
    record = records["results/model.bin"]
    assert (record.rule, record.command) == ("train", "python train.py")
    assert record.inputs == ("train.py", "raw.h5") and record.settings == ("0.1", "CNN")
    assert record.digests == {"train.py": "ab", "raw.h5": "cd"}
    assert record.started == datetime(1970, 1, 1, 1, tzinfo=UTC)
    assert (record.ended - record.started).total_seconds() == 60


def test_sources_are_what_no_job_made(tmp_path):
    record = parse_record("model.bin", WRITTEN, "here")
    raw = parse_record("raw.h5", {**WRITTEN, "input": [], "input_checksums": None}, "here")
    project = Project(tmp_path, {"model.bin": record, "raw.h5": raw})
    assert project.data(record) == ["raw.h5"] and project.sources(record) == {"train.py": "ab"}
    assert project.sha256("raw.h5") is None
    (tmp_path / "train.py").write_text("")
    assert project.sha256("train.py") == sha256_of(tmp_path / "train.py")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"rule": None, "input": None}, "not a record of Snakemake's"),
        ({"starttime": 1e300}, "not a record of Snakemake's"),
        ({"input": ["/etc/passwd"]}, "names '/etc/passwd'; allowed are paths within the project"),
        ({"input_checksums": {"a/../../b": "sha256:0"}}, "names 'a/../../b'; allowed are paths"),
    ],
)
def test_a_damaged_record_is_named(change, message):
    with pytest.raises(InputError, match=f"here: {message}"):
        parse_record("model.bin", {**WRITTEN, **change}, "here")


def test_a_file_that_is_no_record(tmp_path):
    place = tmp_path / ".snakemake/metadata/no base64!"
    place.parent.mkdir(parents=True)
    place.write_text("{}")
    with pytest.raises(InputError, match="no base64!: not a record of Snakemake's"):
        read_records(tmp_path)
