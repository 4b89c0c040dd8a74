"""A study's ledger: it brings Snakemake's records along, and knows what was made since."""

import json
import lzma
import os
import shutil
from pathlib import Path

import pytest

from equimorph.errors import InputError
from equimorph.io import sha256_of
from equimorph.lineage.ledger import Ledger
from equimorph.lineage.records import read_records, record_file

RAW, SPLIT = "work/simulated/raw.h5", "data/simulated/split-clean.csv"
MODEL, REPORT = "results/demo/model.safetensors", "results/demo/report.html"
OTHER = "results/other/report.html"  # of another study


class Study:
    """A folder with files and, in Snakemake's own form, records of them."""

    def __init__(self, folder: Path):
        self.folder = folder
        self.ledger = Ledger(folder, "demo")
        self.hour = 0

    def make(self, path: str, content: str, *inputs: str, rate: float = 0.1) -> None:
        """Do what a job does: write a file and its record."""
        self.hour += 1
        file = self.folder / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(content)
        record = {
            "rule": Path(path).stem,
            "input": list(inputs),
            "params": [str(rate)],
            "shellcmd": f"make {path}",
            "starttime": 3600.0 * self.hour,
            "endtime": 3600.0 * self.hour + 60,
            "job_hash": self.hour,
            "input_checksums": {name: sha256_of(self.folder / name) for name in inputs},
        }
        place = record_file(self.folder, path)
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_text(json.dumps(record))

    def run(self, rate: float = 0.1) -> None:
        """Make the study, as a run that comes to its end."""
        self.ledger.open()
        self.make(RAW, "galaxies")
        self.make(SPLIT, "split", RAW)
        self.make(MODEL, f"weights {rate}", RAW, SPLIT, rate=rate)
        self.make(REPORT, f"accuracy {rate}", MODEL)
        self.make(OTHER, "of another study")
        self.ledger.close("simulated")

    def record(self, path: str) -> dict:
        """Return what Snakemake has noted of a file."""
        return json.loads(record_file(self.folder, path).read_text())

    def rate(self, path: str) -> float:
        """Return the setting that a file was made with, by its record."""
        return float(self.record(path)["params"][0])

    def published(self) -> dict[str, bytes]:
        """Return the files that DVC would keep."""
        files = [*self.folder.glob("data/**/*"), *self.folder.glob("results/demo/**/*")]
        return {str(f.relative_to(self.folder)): f.read_bytes() for f in files if f.is_file()}

    def check_out(self, files: dict[str, bytes]) -> None:
        """Put published files in place, and nothing else, as DVC does."""
        for folder in ("data", "results/demo"):
            shutil.rmtree(self.folder / folder, ignore_errors=True)
        for path, content in files.items():
            (self.folder / path).parent.mkdir(parents=True, exist_ok=True)
            (self.folder / path).write_bytes(content)


@pytest.fixture
def study(tmp_path) -> Study:
    """A study that has run."""
    study = Study(tmp_path / "study")
    study.run()
    return study


def test_it_holds_the_study_its_data_and_what_they_were_made_from(study):
    entries = study.ledger.read()
    assert set(entries) == {RAW, SPLIT, MODEL, REPORT}
    for path, entry in entries.items():
        assert entry.sha256 == sha256_of(study.folder / path)
        assert entry.record == study.record(path)


def test_a_clone_gets_the_records(study, tmp_path):
    clone = Study(tmp_path / "clone")
    clone.check_out(study.published())
    clone.ledger.give_back()
    for path in (RAW, SPLIT, MODEL, REPORT):  # raw.h5 itself is not published
        assert clone.record(path) == study.record(path)
    assert set(read_records(clone.folder)) == {RAW, SPLIT, MODEL, REPORT}
    clone.ledger.close("simulated")
    assert clone.published() == study.published()


def test_a_source_that_changed_before_the_clone_counts_as_edited_now(study, tmp_path):
    """Snakemake compares contents only where an input is newer than the output."""
    sources = {"changed.py": "print(1)", "same.py": "print(2)"}
    for name, content in sources.items():
        (study.folder / name).write_text(content)
    study.ledger.open()
    study.make(MODEL, "weights", *sources)
    study.ledger.close("simulated")
    clone = Study(tmp_path / "clone")
    clone.folder.mkdir()
    for name, content in {**sources, "changed.py": "print(3)"}.items():
        (clone.folder / name).write_text(content)
        os.utime(clone.folder / name, (1, 1))
    clone.check_out(study.published())
    os.utime(clone.folder / MODEL, (2, 2))
    clone.ledger.give_back()
    assert (clone.folder / "changed.py").stat().st_mtime > 2
    assert (clone.folder / "same.py").stat().st_mtime == 1


def test_an_equal_run_gives_an_equal_ledger(study):
    before, times = study.published(), study.record(MODEL)["endtime"]
    study.run()
    assert study.record(MODEL)["endtime"] > times
    assert study.published() == before
    study.run(rate=0.2)
    entries = study.ledger.read()
    assert entries[MODEL].record["params"] == ["0.2"] and entries[SPLIT].record["params"] == ["0.1"]


def test_another_branch_brings_its_own_records(study):
    main = study.published()
    study.run(rate=0.2)
    other = study.published()
    for files, rate in ((main, 0.1), (other, 0.2), (main, 0.1)):
        study.check_out(files)
        study.ledger.give_back()
        assert study.rate(MODEL) == rate


def test_files_under_work_keep_the_records_of_the_branch_they_are_of(study):
    main = study.published()
    study.ledger.open()
    study.make(RAW, "other galaxies", rate=0.3)
    study.ledger.close("simulated")
    study.check_out(main)
    study.ledger.give_back()
    assert study.rate(RAW) == 0.3 and study.rate(SPLIT) == 0.1


def test_what_a_killed_run_has_made_keeps_its_record(study):
    study.ledger.open()
    study.make(MODEL, "weights 0.2", RAW, SPLIT, rate=0.2)
    study.ledger.give_back()
    assert study.rate(MODEL) == 0.2
    study.ledger.close("simulated")
    assert study.ledger.read()[MODEL].record["params"] == ["0.2"]


def test_results_put_back_after_a_killed_run_have_their_records_again(study):
    before = study.published()
    study.ledger.open()
    study.make(MODEL, "weights 0.2", RAW, SPLIT, rate=0.2)
    study.check_out(before)
    study.ledger.give_back()
    assert study.rate(MODEL) == 0.1


def test_a_run_of_one_study_puts_the_records_of_all_to_the_proof(study):
    study.ledger.give_back()
    Ledger(study.folder, "other").open()
    study.make(SPLIT, "another split", RAW, rate=0.5)
    Ledger(study.folder, "other").close("simulated")
    study.ledger.give_back()
    assert study.rate(SPLIT) == 0.5  # that is the split which lies there


def test_nothing_is_given_back_while_a_run_holds_the_lock(study):
    study.ledger.open()
    study.make(MODEL, "weights 0.1", RAW, SPLIT, rate=0.7)
    locks = study.folder / ".snakemake/locks"
    locks.mkdir()
    (locks / "0.input.lock").touch()
    study.ledger.give_back()
    assert study.rate(MODEL) == 0.7


def test_what_is_gone_leaves_the_ledger(study):
    (study.folder / REPORT).unlink()
    study.ledger.close("simulated")
    assert set(study.ledger.read()) == {RAW, SPLIT, MODEL}


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"no archive", "not a ledger"),
        (lzma.compress(b"[]"), "not a ledger"),
        (lzma.compress(b'{"a": {}}'), "not a ledger"),
        (lzma.compress(b"{}")[:-9], "cut short"),
        (lzma.compress(b'{"a": {"sha256": null, "record": {}}}'), "not a record of Snakemake's"),
    ],
)
def test_a_damaged_ledger_is_refused(study, content, words):
    study.ledger.path.write_bytes(content)
    with pytest.raises(InputError, match=f"records.json.xz: .*{words}"):
        study.ledger.give_back()


@pytest.mark.parametrize("name", ["../outside", "/etc/hosts"])
def test_a_ledger_that_leads_out_of_the_project_is_refused(study, name):
    record = {**study.record(REPORT), "input": [name]}
    for content in (
        {REPORT: {"sha256": None, "record": record}},
        {name: {"sha256": None, "record": study.record(REPORT)}},
    ):
        study.ledger.path.write_bytes(lzma.compress(json.dumps(content).encode()))
        with pytest.raises(InputError, match="allowed are paths within the project"):
            study.ledger.give_back()
