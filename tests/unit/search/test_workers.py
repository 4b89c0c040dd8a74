"""Processes that share the trials of a search."""

import multiprocessing
import os
import signal

import optuna
import pytest

from equimorph.errors import InputError
from equimorph.search.workers import run_trials
from equimorph.study.search_space import Range
from tests.unit.search.searches import opened


@pytest.mark.slow
def test_workers_share_the_trials_and_a_killed_one_loses_its_own_alone(material, tmp_path):
    path, seen = tmp_path / "s.db", []
    space = {"learning_rate": Range(0.004, 0.02, log=True)}

    def kill(line):
        seen.append(int(line.split()[1]))
        if len(seen) == 2:
            os.kill(multiprocessing.active_children()[0].pid, signal.SIGKILL)

    with pytest.raises(InputError, match=r"trial \d \(learning_rate .* ended with code -9"):
        run_trials(opened(path, space=space, trials=6), 2, 1, material, kill)
    assert multiprocessing.active_children() == []
    search = opened(path, space=space, trials=6)
    done = {result["trial"] for result in search.results()}
    assert set(seen) <= done and 2 <= len(done) < 6
    run_trials(search, 1, 1, material)
    results = search.results()
    assert [result["trial"] for result in results] == [1, 2, 3, 4, 5, 6]
    assert {result["state"] for result in results} <= {"completed", "pruned"}
    states = [trial.state for trial in search.study.get_trials()]
    assert optuna.trial.TrialState.RUNNING not in states


def test_what_a_worker_cannot_read_ends_the_search(material, tmp_path):
    missing = {**material, "images": str(tmp_path / "none.npy")}
    search = opened(tmp_path / "s.db")
    with pytest.raises(InputError, match=r"trial 1 \(learning_rate .*none.npy: not a readable"):
        run_trials(search, 1, 1, missing)
    assert search.ask().number == 1
