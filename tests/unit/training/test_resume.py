"""Trainings that are interrupted end bit-equal; a state that is of no use is left."""

import os
import random
import subprocess

import pytest
import torch
from torch import nn

from equimorph.errors import InputError
from equimorph.models.checkpoint import learned_state
from equimorph.training.loop import train
from equimorph.training.resume import load_state, save_state
from tests.jobs import blobs
from tests.unit.training.trainings import RECIPES, equal, interrupt, network, recipe, unequal


def timeless(progress):
    return [{k: v for k, v in row.items() if k != "seconds"} for row in progress.history]


@pytest.mark.parametrize("stop_after", [1, 3])
@pytest.mark.parametrize("name, changes", [("D4", {}), *(("CNN", c) for c in RECIPES.values())])
def test_a_resumed_run_ends_bit_equal(name, changes, stop_after, tmp_path):
    class Killed(Exception):
        pass

    def kill(row):
        if row["epoch"] == stop_after + 1:
            raise Killed

    training, validation, chosen = unequal(), blobs(20, 1), recipe(epochs=6, patience=6, **changes)
    whole = network(name)
    expected = train(whole, training, validation, chosen, 7)

    resume = (tmp_path / "state.pt", "digest")
    with pytest.raises(Killed):
        train(network(name), training, validation, chosen, 7, resume, kill)
    second = network(name, seed=99)  # its own weights must not matter
    resumed = train(second, training, validation, chosen, 7, resume)
    assert equal(learned_state(whole), learned_state(second))
    assert equal(expected.best_state, resumed.best_state)
    assert timeless(expected) == timeless(resumed)
    assert (expected.best_epoch, expected.images) == (resumed.best_epoch, resumed.images)


def test_dropout_is_seeded_and_resumes_bit_equal(tmp_path):
    def dropped(seed=0):
        return nn.Sequential(network("CNN", seed), nn.Dropout(0.5))

    training, validation, resume = blobs(64, 0), blobs(20, 1), (tmp_path / "state.pt", "digest")
    runs = []
    for _ in range(2):
        torch.rand(3)  # the global generator is elsewhere
        runs.append(train(dropped(), training, validation, recipe(epochs=4), 7))
    assert equal(runs[0].best_state, runs[1].best_state)
    with pytest.raises(KeyboardInterrupt):
        train(dropped(), training, validation, recipe(epochs=4), 7, resume, interrupt)
    resumed = train(dropped(5), training, validation, recipe(epochs=4), 7, resume)
    assert timeless(resumed) == timeless(runs[0])


def test_a_full_disk_keeps_the_last_state_and_says_so(tmp_path):
    disk = tmp_path / "disk"
    disk.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(disk)]
    if os.geteuid() != 0 or subprocess.run(mount, capture_output=True).returncode:
        pytest.skip("a small file system cannot be mounted here")
    try:
        path = disk / "state.pt"
        with pytest.raises(InputError, match="the disk is full .* no epoch is saved yet"):
            save_state(path, "a", {"x": torch.zeros(2**20)})
        save_state(path, "a", {"x": torch.ones(2)})
        with pytest.raises(InputError, match="the disk is full .* the epoch before is kept"):
            save_state(path, "a", {"x": torch.zeros(2**20)})
        assert torch.equal(load_state(path, "a")["x"], torch.ones(2))
        assert [file.name for file in disk.iterdir()] == ["state.pt"]
    finally:
        subprocess.run(["umount", str(disk)], check=True)


def test_a_state_half_written_is_removed_by_the_next_run(tmp_path):
    path = tmp_path / "state.pt"
    save_state(path, "a", {"x": torch.ones(2)})
    (tmp_path / ".state.pt.123.tmp").write_bytes(b"half")
    (tmp_path / ".state.pt2.123.tmp").write_bytes(b"of another file")
    assert torch.equal(load_state(path, "a")["x"], torch.ones(2))
    assert sorted(file.name for file in tmp_path.iterdir()) == [".state.pt2.123.tmp", "state.pt"]


def test_resume_files_of_other_jobs_and_damaged_ones_are_ignored(tmp_path):
    path = tmp_path / "state.pt"
    assert load_state(path, "a") is None
    save_state(path, "a", {"x": torch.ones(2)})
    assert torch.equal(load_state(path, "a")["x"], torch.ones(2))
    with pytest.warns(UserWarning, match="of another config"):
        assert load_state(path, "b") is None
    whole, draw = path.read_bytes(), random.Random(0)
    position = whole.index(torch.ones(2).numpy().tobytes())
    damaged = [whole[:size] for size in range(0, len(whole), 50)]
    damaged += [draw.randbytes(size) for size in (1, 30, 1000) for _ in range(10)]
    damaged += [b"PK", b"not a state", whole[:position] + b"\x01" + whole[position + 1 :]]
    for content in damaged:
        path.write_bytes(content)
        with pytest.warns(UserWarning, match="not readable, training starts anew"):
            assert load_state(path, "a") is None
