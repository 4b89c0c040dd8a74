"""`snakemake search`: killed half-way it goes on, and its best trial is a preset that runs."""

import json
import os
import signal
import sqlite3
import subprocess
import time

import pandas as pd
import pytest
import yaml

BEST = "results/demo/search/best.yaml"
DATABASE = "work/search/demo.db"
SEARCH = {
    "model": "CNN",
    "trials": 8,
    "epochs": 6,
    "sampler": {"kind": "tpe", "startup": 3},
    "pruner": {"kind": "median", "startup": 2, "warmup": 2},
    "space": {
        "learning_rate": {"low": 0.0001, "high": 0.1},
        "weight_decay": None,
        "label_smoothing": None,
        "batch_size": {"choices": [8, 16]},
        "network.width": {"low": 0.5, "high": 2.0},
    },
}


def ended(project):
    """Return how many trials the database holds that are completed or stopped."""
    path = project.folder / DATABASE
    if not path.exists():
        return 0
    try:
        with sqlite3.connect(f"file:{path}?mode=ro", uri=True) as database:
            query = "select count(*) from trials where state in ('COMPLETE', 'PRUNED')"
            return database.execute(query).fetchone()[0]
    except sqlite3.OperationalError:  # its tables are being made
        return 0


def trials(project):
    """Return the table of trials without what a clock says."""
    table = pd.read_csv(project.folder / "results/demo/search/trials.csv")
    return table.drop(columns="seconds")


@pytest.mark.slow
def test_killed_half_way_and_resumed(fresh):
    fresh.edit_config({"search": SEARCH})
    assert "optimise" not in fresh.planned()
    fresh.snakemake("data")
    process = subprocess.Popen(
        ["snakemake", "--cores", "1", "search"],
        cwd=fresh.folder,
        env=fresh.cold().environment,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    deadline = time.monotonic() + 600
    while ended(fresh) < 3 and process.poll() is None and time.monotonic() < deadline:
        time.sleep(0.01)
    # The whole group: a killed parent alone would leave the search alive.
    assert os.getpgid(process.pid) == process.pid != os.getpgid(0)
    os.killpg(process.pid, signal.SIGKILL)
    assert process.wait() == -signal.SIGKILL
    kept = ended(fresh)
    assert 3 <= kept < 8  # killed half-way
    assert not (fresh.folder / BEST).exists()

    fresh.snakemake("--unlock")
    done = fresh.snakemake("search")
    assert "goes on with demo-" in done.stdout and f": {kept} of 8 trials ended" in done.stdout
    resumed = trials(fresh)
    assert list(resumed["trial"]) == list(range(1, 9)) and ended(fresh) == 8
    assert set(resumed["state"]) <= {"completed", "pruned"}
    assert fresh.planned("search") == {}
    for name in ("search_history", "search_slices"):
        assert (fresh.folder / f"results/demo/figures/{name}.svg").exists()

    # One worker: the same trials as without the kill.
    (fresh.folder / DATABASE).unlink()
    (fresh.folder / "results/demo/search/trials.csv").unlink()
    fresh.snakemake("results/demo/search/trials.csv")
    pd.testing.assert_frame_equal(trials(fresh), resumed, check_exact=True)

    # The preset runs, and trains what the trial trained.
    found = json.loads((fresh.folder / "results/demo/search/study.json").read_text())["best"]
    overlay = yaml.safe_load((fresh.folder / BEST).read_text())
    assert overlay["train"]["learning_rate"] == found["values"]["learning_rate"]
    assert overlay["network"]["width"] == found["values"]["network.width"]
    assert fresh.planned("--configfile", BEST)["train"] == 2
    run = "results/demo-best/models/CNN/seed-0/run.json"
    fresh.snakemake("--configfile", BEST, "--", run)
    trained = json.loads((fresh.folder / run).read_text())
    assert trained["recipe"]["batch_size"] == found["values"]["batch_size"]
    assert trained["specification"]["width"] == found["values"]["network.width"]
    assert trained["validation_loss"] == pytest.approx(found["validation_loss"], rel=1e-3)


def test_a_bad_range_stops_before_any_job(fresh):
    fresh.edit_config({"search": {"space": {"learning_rate": {"low": 0.5}}}})
    done = fresh.snakemake("-n", check=False)
    assert done.returncode == 1 and "Job stats" not in done.stdout
    assert "config: search.space.learning_rate: low 0.5 is not allowed; it must be" in done.stdout
