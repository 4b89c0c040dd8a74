"""A training that is really killed resumes and ends bit-equal to an uninterrupted one."""

import hashlib
import json
import multiprocessing
import os
import random
import resource
import signal
import subprocess
import time

import numpy as np
import pandas as pd
import pytest

from equimorph.io import atomic_path
from tests.jobs import Job

# Everything that a state holds is in use: running statistics, their average, a plateau, patience.
MEMORY = {"epochs": 80, "patience": 80, "ema": 0.9, "sampler": "over", "min_delta": 0.01}
MEMORY["schedule"] = {"kind": "plateau", "patience": 3, "factor": 0.9}


@pytest.fixture(scope="module")
def uninterrupted(tmp_path_factory):
    job = Job(tmp_path_factory.mktemp("uninterrupted"), **MEMORY)
    assert job.finish() == 0, job.log.read_text()
    return job


def wait_for_an_epoch(job, child):
    """Wait until the process has saved one more epoch."""
    before = job.state.stat().st_mtime_ns if job.state.exists() else None
    deadline = time.monotonic() + 240
    while child.is_alive() and time.monotonic() < deadline:
        if job.state.exists() and job.state.stat().st_mtime_ns != before:
            return
        time.sleep(0.005)
    raise AssertionError(f"no epoch was saved: {job.log.read_text()}")


def same_result(job, expected):
    pd.testing.assert_frame_equal(job.read_history(), expected.read_history(), check_exact=True)
    return job.model.read_bytes() == expected.model.read_bytes()


@pytest.mark.slow
def test_killed_at_any_moment_it_resumes_bit_equal(uninterrupted, tmp_path):
    """Three moments for each signal, all in one training: nine kills, then the end."""
    job, draw = Job(tmp_path, **MEMORY), random.Random(5)
    epoch_seconds = pd.read_csv(uninterrupted.history)["seconds"].mean()
    kinds = 3 * [signal.SIGINT, signal.SIGTERM, signal.SIGKILL]
    draw.shuffle(kinds)
    for kind in kinds:
        child = job.start()
        wait_for_an_epoch(job, child)
        time.sleep(draw.uniform(0, 2 * epoch_seconds))
        os.kill(child.pid, kind)
        child.join(60)
        assert child.exitcode == (130 if kind == signal.SIGINT else -kind)
        assert job.state.exists() and not job.model.exists()
    assert job.finish() == 0
    assert same_result(job, uninterrupted)
    assert not job.state.exists() and not list(tmp_path.rglob("*.tmp"))
    log = job.log.read_text()
    assert log.count("error: interrupted.\n") == 3
    assert "Traceback" not in log and "Warning" not in log


@pytest.mark.parametrize("changed", [False, True])
def test_a_training_does_not_go_on_with_other_images(tmp_path, changed):
    """Stars removed or not, converted by other code: the raw file and the split are the same."""
    job = Job(tmp_path / "interrupted")
    job.model.parent.touch()  # no folder: the training ends, and its results cannot be written
    assert job.finish() != 0 and job.state.exists()
    job.model.parent.unlink()
    expected = Job(tmp_path / "fresh")
    if changed:
        for each in (job, expected):
            np.save(each.images, np.load(each.images) // 2)
    assert expected.finish() == job.finish() == 0
    assert ("training starts anew" in job.log.read_text()) == changed
    assert job.model.read_bytes() == expected.model.read_bytes()
    digest = hashlib.sha256(job.images.read_bytes()).hexdigest()
    assert json.loads(job.run.read_text())["images_sha256"] == digest


def test_what_a_kill_leaves_half_written_goes_with_the_next_run(tmp_path):
    job = Job(tmp_path, epochs=1, patience=1)
    for path in (job.state, job.model, job.history, job.run):
        writer = multiprocessing.get_context("forkserver").Process(target=die_writing, args=(path,))
        writer.start()
        writer.join(60)
        assert writer.exitcode == -signal.SIGKILL
    assert len(list(tmp_path.rglob("*.tmp"))) == 4
    assert job.finish() == 0
    assert not list(tmp_path.rglob("*.tmp")) and job.model.exists()


def die_writing(path):
    with atomic_path(path) as temporary:
        temporary.write_bytes(b"half")
        os.kill(os.getpid(), signal.SIGKILL)


def small_files_only():
    """Let no file of this process grow beyond 16 kB: less than a state, more than the log."""
    resource.setrlimit(resource.RLIMIT_FSIZE, (2**14, 2**14))


def test_no_space_for_the_state_keeps_the_last_one(uninterrupted, tmp_path):
    job = Job(tmp_path, **MEMORY)
    assert job.finish(small_files_only) == 1
    assert "limit on the size of files is reached" in job.log.read_text()
    assert "Of this training, no epoch is saved yet." in job.log.read_text()

    child = job.start()
    wait_for_an_epoch(job, child)
    child.kill()
    child.join(60)
    kept = job.state.read_bytes()
    assert len(kept) > 2**14
    assert job.finish(small_files_only) == 1
    assert "Of this training, the epoch before is kept." in job.log.read_text()
    assert job.state.read_bytes() == kept
    assert [path.name for path in job.state.parent.iterdir()] == ["state.pt"]

    assert job.finish() == 0
    assert same_result(job, uninterrupted)
    assert "Traceback" not in job.log.read_text()


def test_a_full_disk_loses_nothing(uninterrupted, tmp_path):
    """First no room for a state, then none for the model."""
    job = Job(tmp_path, **MEMORY)
    disks = [job.state.parent, job.model.parent]
    mounted = []
    try:
        for disk, size in zip(disks, ("2m", "8k"), strict=True):
            disk.mkdir()
            mount = ["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", str(disk)]
            if os.geteuid() != 0 or subprocess.run(mount, capture_output=True).returncode:
                pytest.skip("a small file system cannot be mounted here")
            mounted.append(disk)
        child = job.start()
        wait_for_an_epoch(job, child)
        ballast = job.state.parent / "ballast"
        with pytest.raises(OSError), open(ballast, "wb", buffering=0) as file:
            while True:
                file.write(bytes(2**12))
        child.join(240)
        assert child.exitcode == 1
        assert "state.pt: the disk is full" in job.log.read_text()
        assert "Of this training, the epoch before is kept." in job.log.read_text()

        ballast.unlink()
        assert job.finish() == 1
        assert "model.safetensors: the disk is full" in job.log.read_text()
        assert f"The training is kept in {job.state}." in job.log.read_text()
        assert job.state.exists() and not list(job.model.parent.iterdir())

        remount = ["mount", "-o", "remount,size=2m", str(job.model.parent)]
        subprocess.run(remount, check=True)
        assert job.finish() == 0
        assert same_result(job, uninterrupted) and not job.state.exists()
        assert "Traceback" not in job.log.read_text()
    finally:
        for disk in mounted:
            subprocess.run(["umount", str(disk)], check=True)
