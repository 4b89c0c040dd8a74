"""A training that is really killed resumes and ends bit-equal to an uninterrupted one."""

import os
import signal
import subprocess
import time

import pytest

MODEL = "results/demo/models/D4/seed-0/model.safetensors"
STATE = "work/resume/demo/D4-seed-0.pt"


@pytest.fixture
def long_training(fresh):
    fresh.edit_config({"train": {"epochs": 40, "patience": 40}})
    fresh.snakemake("data")
    return fresh


@pytest.mark.slow
def test_sigkill_in_training(long_training):
    project = long_training
    state, model = project.folder / STATE, project.folder / MODEL
    command = ["snakemake", "--cores", "1", MODEL]
    process = subprocess.Popen(
        command,
        cwd=project.folder,
        env=project.environment,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    deadline = time.monotonic() + 120
    while not state.exists() and time.monotonic() < deadline:
        time.sleep(0.05)
    assert state.exists(), "no epoch ended within two minutes"
    # The whole group: a killed parent alone would leave the training alive.
    assert os.getpgid(process.pid) == process.pid != os.getpgid(0)
    os.killpg(process.pid, signal.SIGKILL)
    assert process.wait() == -signal.SIGKILL
    assert state.exists() and not model.exists()  # killed half-way

    project.snakemake("--unlock")
    project.snakemake(MODEL)
    resumed = model.read_bytes()
    assert not state.exists()

    model.unlink()
    project.snakemake(MODEL)
    assert model.read_bytes() == resumed


def test_a_loss_that_explodes_names_epoch_and_learning_rate(fresh):
    fresh.edit_config({"train": {"learning_rate": 1.0e30, "models": ["CNN"], "seeds": [0]}})
    fresh.edit_config({"network": {"width": 4.0}})
    done = fresh.snakemake("results/demo/models/CNN/seed-0/model.safetensors", check=False)
    assert done.returncode == 1
    assert "error: epoch 1, learning rate" in done.stdout and "loss is" in done.stdout
    assert not (fresh.folder / "results/demo/models/CNN/seed-0/model.safetensors").exists()
