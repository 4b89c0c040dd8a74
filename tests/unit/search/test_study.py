"""The study of a search in its database: it goes on, begins anew, is one process's."""

import os
import subprocess
import sys
from contextlib import contextmanager

import numpy as np
import pytest

from equimorph.errors import InputError
from equimorph.search import study
from equimorph.search.study import locked
from equimorph.search.trial import TrialResult
from equimorph.study.search_space import Choices, Range
from tests.scripts import load
from tests.unit.search.searches import opened


def loss_of(values):
    """A loss with its minimum at a rate of 0.01."""
    return 0.5 + (np.log10(values["learning_rate"]) + 2) ** 2


def ended(loss):
    return TrialResult("completed", [loss], [1], 1, "", 0.1)


def go_through(search, count=None):
    """Run trials by formula: all, or the first `count` of them."""
    while (count is None or count > 0) and (trial := search.ask()):
        search.tell(trial, ended(loss_of(trial.values)))
        count = count and count - 1
    return [(r["trial"], r["values"], r["validation_loss"]) for r in search.results()]


def test_a_search_that_was_cut_off_ends_as_one_that_was_not(tmp_path):
    expected = go_through(opened(tmp_path / "whole.db"))
    assert [number for number, _, _ in expected] == list(range(1, 11))
    path = tmp_path / "cut.db"
    for done in (3, 3, 1):
        search = opened(path)
        go_through(search, done)
        search.ask()  # under way when the process is killed
    search = opened(path)
    assert search.log == [
        f"{path}: goes on with demo-aaaaaaaaaaaaaaaa: 7 of 10 trials ended, 1 cut off and repeated."
    ]
    assert go_through(search) == expected
    states = [trial.state.name for trial in search.study.get_trials()]
    assert states.count("FAIL") == 3 and states.count("COMPLETE") == 10 and len(states) == 13
    assert len({values["learning_rate"] for _, values, _ in expected}) == 10
    assert go_through(opened(tmp_path / "other.db", seed=4)) != expected


def test_tpe_comes_closer_than_its_first_draws(tmp_path):
    losses = [loss for _, _, loss in go_through(opened(tmp_path / "s.db", trials=20))]
    assert np.median(losses[10:]) < np.median(losses[:4])


def test_more_trials_go_on_and_fewer_are_the_first(tmp_path):
    path = tmp_path / "s.db"
    six = go_through(opened(path, trials=6))
    ten = go_through(opened(path, trials=10))
    assert len(six) == 6 and len(ten) == 10 and ten[:6] == six
    assert go_through(opened(path, trials=4)) == six[:4]


def test_another_job_begins_a_new_study_and_says_why(tmp_path):
    path = tmp_path / "s.db"
    first = go_through(opened(path, job={"space": {"lr": 1, "b": 2}, "data": "x"}))
    other = opened(path, "b" * 64, {"space": {"lr": 2, "b": 2}, "data": "y"}, trials=2)
    assert other.log == [
        f"{path}: begins the new study demo-bbbbbbbbbbbbbbbb, because data, space.lr changed; "
        "the trials of demo-aaaaaaaaaaaaaaaa are kept, but have no part in it."
    ]
    assert len(go_through(other)) == 2
    assert go_through(opened(path)) == first


def test_kinds_of_ranges_are_drawn_as_they_say(tmp_path):
    space = {
        "whole": Range(8, 12),
        "number": Range(0, 0.5),
        "word": Choices(("a", None, True, 3)),
    }
    search = opened(tmp_path / "s.db", space=space, sampler={"kind": "random", "startup": 1})
    drawn = [search.ask().values for _ in range(10)]
    assert {type(values["whole"]) for values in drawn} == {int}
    assert all(8 <= v["whole"] <= 12 and 0 <= v["number"] <= 0.5 for v in drawn)
    assert len({values["number"] for values in drawn}) == 10
    assert {values["word"] for values in drawn} <= {"a", None, True, 3}
    assert search.ask() is None


def test_one_process_at_a_time(tmp_path):
    message = f"s.db: another search, process {os.getpid()}, is at work on it"
    with (
        locked(tmp_path / "s.db"),
        pytest.raises(InputError, match=message),
        locked(tmp_path / "s.db"),
    ):
        pass
    with locked(tmp_path / "s.db"):
        pass


def test_a_damaged_database_is_named(tmp_path):
    path = tmp_path / "s.db"
    path.write_bytes(b"not a database, but long enough to be taken for one" * 50)
    with pytest.raises(InputError, match=r"s.db: not a search that can be read .* move it away"):
        opened(path)


@contextmanager
def held_by_another_process(path):
    """Let another process write the database for as long as the block takes."""
    code = (
        "import sqlite3, sys; base = sqlite3.connect(sys.argv[1], isolation_level=None); "
        "base.execute('BEGIN EXCLUSIVE'); print('held', flush=True); sys.stdin.read()"
    )
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
    with subprocess.Popen([sys.executable, "-c", code, path], **pipes) as other:
        assert other.stdout.readline() == b"held\n"
        yield
        other.stdin.close()


def test_a_locked_database_is_left_where_it_is(tmp_path, monkeypatch):
    """To move it away would throw away trials that are well."""
    monkeypatch.setattr(study, "_PATIENCE", 0.2)
    path = tmp_path / "s.db"
    done = go_through(opened(path), 3)
    message = r"s.db: another program has locked it for more than 0.2 s; end that one \(trials that"
    with held_by_another_process(path), pytest.raises(InputError, match=message):
        opened(path)
    with pytest.raises(InputError, match=message), locked(path):
        search = opened(path)
        with held_by_another_process(path):
            search.ask()
    assert go_through(opened(path), 0) == done


def test_a_full_disk_is_told_and_the_trials_are_kept(tmp_path):
    disk = tmp_path / "disk"
    disk.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(disk)]
    if os.geteuid() != 0 or subprocess.run(mount, capture_output=True).returncode:
        pytest.skip("a small file system cannot be mounted here")
    message = "s.db: the disk is full; free some space .* the next run goes on with them"
    try:
        search = opened(disk / "s.db")
        done = go_through(search, 2)
        filling = disk / "filling"
        with open(filling, "wb", buffering=0) as file, pytest.raises(OSError):
            while True:
                file.write(bytes(4096))
        with pytest.raises(InputError, match=message), locked(disk / "s.db"):
            go_through(search)
        with pytest.raises(InputError, match=message):
            opened(disk / "another-s.db")
        filling.unlink()
        assert go_through(opened(disk / "s.db"), 0) == done
    finally:
        subprocess.run(["umount", "--lazy", str(disk)], check=True)


def test_a_database_that_may_not_be_written_is_named(tmp_path):
    """As root, everything may be written but what is no folder."""
    path = tmp_path / "file" / "s.db"
    path.parent.write_text("")
    with pytest.raises(InputError, match=r"s.db: cannot be written \(unable to open database"):
        opened(path)


def test_optuna_is_asked_for_in_one_sentence(monkeypatch):
    script = load("workflow/scripts/search/optimise.py")
    monkeypatch.setitem(sys.modules, "optuna", None)
    monkeypatch.delitem(sys.modules, "equimorph.search.study")
    with pytest.raises(InputError, match=r"optuna is missing; pip install 'equimorph\[search\]'"):
        script.main([])


def test_hyperband_stops_all_but_the_best_of_each_group(tmp_path):
    """Asynchronous halving as Optuna's: of trials alike but for their loss, the worst are short."""
    pruner = {"kind": "hyperband", "startup": 1, "warmup": 1}
    pruner |= {"min_resource": 1, "max_resource": 9, "reduction_factor": 3}
    search = opened(tmp_path / "s.db", trials=30, pruner=pruner)
    epochs = {}
    while trial := search.ask():
        loss = 1 + trial.number % 3
        for epoch in range(1, 10):
            if not search.go_on(trial, epoch, loss):
                break
        epochs[trial.number] = epoch
        search.tell(trial, ended(loss) if epoch == 9 else TrialResult("pruned", epochs=epoch))
    assert all(epochs[number] == 9 for number in epochs if number % 3 == 0)
    assert sum(epochs[number] < 9 for number in epochs if number % 3) > 5
    assert (search.pruner._min_resource, search.pruner._reduction_factor) == (1, 3)
