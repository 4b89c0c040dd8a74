"""Two runs on one machine agree to the bit, times aside; every result leads to the raw file."""

import csv
import hashlib
import json
from pathlib import Path
from typing import Any

import pytest

from .conftest import SMALL

TIMES = {"train_seconds", "images_per_second", "peak_memory_bytes", "seconds"}
RESULTS = Path("results/demo")
# The figures and the report follow from these and cost half as much again.
WANTED = ("metrics.json", "tables/accuracy.csv")


def without_times(value: Any) -> Any:
    """Return a JSON value without the entries that say how long something took."""
    if isinstance(value, dict):
        return {key: without_times(item) for key, item in value.items() if key not in TIMES}
    if isinstance(value, list):
        return [without_times(item) for item in value]
    return value


def rows_without_times(path: Path) -> list[dict[str, str]]:
    with open(path, encoding="utf-8", newline="") as file:
        return without_times(list(csv.DictReader(file)))


def files(folder: Path, *patterns: str) -> list[Path]:
    """Return the files below a project's folder that fit one of the patterns."""
    return sorted(p.relative_to(folder) for pattern in patterns for p in folder.glob(pattern))


@pytest.mark.slow
def test_two_runs_in_two_folders_agree_to_the_bit(finished, fresh):
    assert fresh.folder != finished.folder
    fresh.cold().snakemake(*(str(RESULTS / name) for name in WANTED))
    one, other = finished.folder, fresh.folder

    metrics = [json.loads((place / RESULTS / "metrics.json").read_text()) for place in (one, other)]
    assert without_times(metrics[0]) == without_times(metrics[1])
    assert metrics[0] != without_times(metrics[0])  # there are times, and they were left out

    bits = files(
        other,
        "data/simulated/*",
        "work/**/*.npy",
        "work/simulated/raw.h5",
        f"{RESULTS}/models/*/*/model.safetensors",
        f"{RESULTS}/predictions/*/*.npz",
        f"{RESULTS}/tables/*.csv",
    )
    trainings = len(SMALL["train"]["models"]) * len(SMALL["train"]["seeds"])
    assert sum(path.suffix == ".safetensors" for path in bits) == trainings
    assert sum(path.suffix == ".npz" for path in bits) == 1 + trainings  # galaxies, predictions
    differ = [str(p) for p in bits if (one / p).read_bytes() != (other / p).read_bytes()]
    assert not differ

    histories = files(other, f"{RESULTS}/models/*/*/history.csv")
    assert len(histories) == trainings
    for path in histories:
        assert rows_without_times(one / path) == rows_without_times(other / path)


def test_a_figure_of_the_study_leads_back_to_the_raw_file(finished):
    figure = str(RESULTS / "figures/accuracy_by_order.svg")
    done = finished.run("equimorph", "provenance", figure, "--json")
    found = json.loads(done.stdout)
    path = "work/simulated/raw.h5"
    raw = hashlib.sha256((finished.folder / path).read_bytes()).hexdigest()
    assert found["raw"] == {path: raw} and not found["problems"]
    rules = [job["rule"] for job in found["jobs"]]
    assert rules[:2] == ["plot_accuracy_by_order", "compare"] and rules[-1] == "simulate"
    # Apart by their sources: each network depends on its own architecture.
    train = [job for job in found["jobs"] if job["rule"] == "train"]
    trainings = len(SMALL["train"]["models"]) * len(SMALL["train"]["seeds"])
    assert sum(job["jobs"] for job in train) == trainings
    for job in train:
        assert {"workflow/scripts/train/train.py", "envs/compute.yaml"} <= job["sources"].keys()
    # The trainings' own word; measures and metrics may come to give theirs.
    stamped = [Path(stamp["path"]).name for stamp in found["stamps"]]
    assert stamped.count("run.json") == trainings


def test_every_file_of_the_study_is_as_recorded(finished):
    done = finished.run("equimorph", "provenance", str(RESULTS))
    assert ", 0 differ." in done.stdout
    metrics = finished.folder / RESULTS / "metrics.json"
    digest = hashlib.sha256(metrics.read_bytes()).hexdigest()
    assert f"results/demo/metrics.json, sha256 {digest[:12]}" in done.stdout
