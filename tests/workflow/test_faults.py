"""What can go wrong does, for real: each fault ends in a good result or in one clear sentence.

Kills of a training without its workflow are in test_kill.py, a damaged remote in test_remote.py,
bad configs in test_study.py, bad input of readers in tests/unit/test_bad_input.py.
"""

import hashlib
import json
import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pandas as pd
import pytest

from tests.servers import CONTENT, Server, closed_port_url, serve

from .conftest import SMALL, Project, built_once

RAW = "data/galaxy10/raw.h5"
MODEL = "results/demo/models/D4/seed-0/model.safetensors"
STATE = "work/resume/demo/D4-seed-0.pt"


@pytest.fixture
def copy(finished, tmp_path) -> Project:
    """The finished project at another path, which may be changed."""
    folder = tmp_path / "copy"
    shutil.copytree(finished.folder, folder)
    project = Project(folder)
    project.environment["NO_PROXY"] = "127.0.0.1"
    return project


def fails(project: Project, *arguments: str) -> str:
    """Run snakemake, which must fail, without a traceback; return what it printed."""
    done = project.snakemake(*arguments, check=False)
    assert done.returncode == 1, done.stdout[-3000:]
    assert "Traceback" not in done.stdout, done.stdout[-3000:]
    return done.stdout


def with_mount(project: Project, options: str, place: str, *arguments: str):
    """Run snakemake where a file system of its own lies over one folder, for this command alone."""
    folder = project.folder / place
    folder.mkdir(parents=True, exist_ok=True)
    run = shlex.join(["snakemake", "--cores", "1", *arguments])
    script = f"mount {options} {shlex.quote(str(folder))} && {run}"
    own = ["unshare", "--map-root-user", "--mount"]
    if subprocess.run([*own, "true"], capture_output=True).returncode:
        pytest.skip("this machine lets nobody mount a file system of one's own")
    return project.cold().run(*own, "sh", "-c", script, check=False)


# Downloads: faults 1 to 7.


def download(project: Project, *mirrors: str, content: bytes = CONTENT, check: bool = True):
    """Ask the workflow for the raw file of Galaxy10, to be had from these mirrors."""
    sha256 = hashlib.sha256(content).hexdigest()
    project.edit_config({"data": {"galaxy10": {"mirrors": list(mirrors), "sha256": sha256}}})
    if not check:
        return fails(project, RAW)
    project.snakemake(RAW)
    assert (project.folder / RAW).read_bytes() == content
    return ""


@pytest.fixture
def impatient(copy) -> Project:
    """The copy, but downloads are tried again after a hundredth of the time."""
    module = copy.folder / "workflow/equimorph/data/download.py"
    patient = module.read_text()
    module.write_text(patient.replace("backoff: float = 1.0", "backoff: float = 0.01"))
    assert module.read_text() != patient
    return copy


def test_no_network(impatient):
    url = closed_port_url()
    said = download(impatient, url, check=False)
    assert url in said and f"{RAW}: no mirror gave the file" in said and "put it there" in said
    assert hashlib.sha256(CONTENT).hexdigest() in said
    assert not (impatient.folder / RAW).exists()


def test_the_connection_drops(copy):
    server = Server(drops=(100_000,))
    with serve(server):
        download(copy, server.url)
    assert server.ranges[0] is None and server.ranges[1].startswith("bytes=")


def test_the_server_ignores_range(copy):
    part = copy.folder / f"{RAW}.part"
    part.parent.mkdir()
    part.write_bytes(CONTENT[:1000])
    server = Server(resumes=False)
    with serve(server):
        download(copy, server.url)
    assert server.ranges == ["bytes=1000-"]


def test_right_size_wrong_bytes(copy):
    server = Server(CONTENT[:-1] + b"?")
    with serve(server):
        said = download(copy, server.url, check=False)
    assert "SHA-256" in said and server.url in said
    assert not (copy.folder / RAW).exists()


def test_a_web_page_with_status_200(copy):
    server = Server(b"<html>Log in first.</html>", content_type="text/html")
    with serve(server):
        said = download(copy, server.url, check=False)
    assert "answers with a web page" in said and not (copy.folder / RAW).exists()


def test_the_first_mirror_is_dead(impatient):
    server = Server()
    with serve(server):
        download(impatient, closed_port_url(), server.url)


def test_the_disk_is_too_small_for_the_download(copy):
    server = Server(length=10**15)
    with serve(server):
        said = download(copy, server.url, check=False)
    assert f"would have {10**15} bytes" in said and "are free" in said and "GB" in said
    assert len(server.ranges) == 1 and not (copy.folder / RAW).exists()


def test_a_file_that_somebody_has_put_there_is_never_deleted(copy):
    """Whatever its date, and whether it is the right one or not; offline it would be lost."""
    raw = copy.folder / RAW
    raw.parent.mkdir()
    raw.write_bytes(CONTENT)
    os.utime(raw, (10**9, 10**9))
    sha256 = hashlib.sha256(CONTENT).hexdigest()
    mirrors = {"mirrors": [closed_port_url()], "sha256": sha256}
    copy.edit_config({"data": {"source": "galaxy10", "galaxy10": mirrors}})
    assert "download" not in copy.planned("data", "--forceall")
    assert f"error: {RAW}: not a whole HDF5 file" in fails(copy, "data", "--forceall")  # as it is
    copy.edit_config({"data": {"galaxy10": {"sha256": "0" * 64}}})
    assert f"error: {RAW}: the sha256 is {sha256}, it must be 0000" in fails(copy, "data")
    assert "download" not in copy.planned("data", "--forceall")
    assert raw.read_bytes() == CONTENT and raw.stat().st_mtime == 10**9


# Files that go or change: faults 8 to 11.


def test_the_raw_file_is_corrupted_later(copy):
    raw = copy.folder / "work/simulated/raw.h5"
    content = bytearray(raw.read_bytes())
    content[: len(content) // 2] = bytes(len(content) // 2)
    raw.write_bytes(content)
    said = fails(copy)
    assert "work/simulated/raw.h5" in said
    assert (copy.folder / "results/demo/metrics.json").exists()


def test_the_raw_file_is_deleted(copy):
    raw = copy.folder / "work/simulated/raw.h5"
    content = raw.read_bytes()
    raw.unlink()
    copy.snakemake("work/simulated/raw.h5")
    assert raw.read_bytes() == content


def test_one_model_is_deleted(copy):
    model = copy.folder / MODEL
    content = model.read_bytes()
    model.unlink()
    assert copy.planned()["train"] == 1
    copy.snakemake(MODEL)
    assert model.read_bytes() == content


def test_the_disk_fills_while_a_checkpoint_is_saved(copy):
    (copy.folder / MODEL).unlink()
    done = with_mount(copy, "-t tmpfs -o size=32k none", "work/resume", MODEL)
    assert done.returncode == 1 and "Traceback" not in done.stdout
    assert "the disk is full" in done.stdout and "no epoch is saved yet" in done.stdout


def test_the_disk_fills_while_galaxies_are_drawn(copy):
    raw = "work/simulated/raw.h5"
    done = with_mount(copy, "-t tmpfs -o size=64k none", "work", raw)
    assert done.returncode == 1 and "Traceback" not in done.stdout
    assert f"error: {raw}: the disk is full" in done.stdout
    assert "Segmentation" not in done.stdout


# Trainings that end before their time: faults 12 to 18.


LONG = {"train": {"epochs": 30, "patience": 30}}


@pytest.fixture(scope="session")
def uninterrupted(finished, tmp_path_factory) -> bytes:
    """The model of a long training that nothing has interrupted."""

    def build(folder: Path) -> None:
        project = Project(shutil.copytree(finished.folder, folder / "project"))
        project.edit_config(LONG)
        project.snakemake(MODEL)

    return (built_once(tmp_path_factory, "uninterrupted", build) / "project" / MODEL).read_bytes()


@pytest.mark.parametrize("how", ["SIGINT", "SIGTERM", "SIGKILL"])
def test_a_killed_training_goes_on(copy, how, uninterrupted):
    copy.edit_config(LONG)
    state = copy.folder / STATE
    process = subprocess.Popen(
        # A shell may have told its children to ignore Ctrl-C.
        ["env", "--default-signal=INT", "snakemake", "--cores", "1", MODEL],
        cwd=copy.folder,
        env=copy.cold().environment,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    deadline = time.monotonic() + 300
    while not state.exists() and time.monotonic() < deadline:
        time.sleep(0.02)
    assert state.exists(), "no epoch ended within five minutes"
    # The whole group: a killed parent alone would leave the training alive.
    assert os.getpgid(process.pid) == process.pid != os.getpgid(0)
    os.killpg(process.pid, getattr(signal, how))
    status = process.wait(300)
    assert status == -signal.SIGKILL if how == "SIGKILL" else status != 0
    assert state.exists() and not (copy.folder / MODEL).exists()  # half-way
    import torch

    kept = torch.load(state, weights_only=True)["state"]["progress"]["history"]

    copy.snakemake("--unlock")
    copy.snakemake(MODEL)
    assert (copy.folder / MODEL).read_bytes() == uninterrupted
    # An epoch that ran again would have taken another time.
    seconds = pd.read_csv((copy.folder / MODEL).with_name("history.csv"))["seconds"]
    assert seconds[: len(kept)].tolist() == [row["seconds"] for row in kept]
    assert not state.exists()


@pytest.mark.parametrize("fault", ["truncated", "of another config"])
def test_a_resume_file_that_is_of_no_use(copy, fault):
    model, state = copy.folder / MODEL, copy.folder / STATE
    expected = model.read_bytes()
    model.unlink()
    state.parent.mkdir(parents=True, exist_ok=True)
    import torch

    torch.save({"digest": "of another config", "state": {}}, state)
    if fault == "truncated":
        state.write_bytes(state.read_bytes()[:100])
    done = copy.snakemake(MODEL)
    assert "training starts anew" in done.stdout
    assert model.read_bytes() == expected


@pytest.mark.parametrize("world_size", [1, 2])
def test_a_diverging_model_fails_alone(copy, world_size):
    wild = {"learning_rate": 1.0e6, "epochs": 20, "schedule": {"kind": "constant"}}
    copy.edit_config({"train": {"overrides": {"CNN": wild}, "world_size": world_size}})
    (copy.folder / MODEL).unlink()
    failed = "results/demo/models/CNN/seed-0/model.safetensors"
    said = fails(copy, "--keep-going", failed, MODEL)
    message = (
        r"error: epoch \d+, learning rate 1\.00e\+06: the (train|validation) loss is (nan|inf)"
    )
    assert re.search(message, said), said[-3000:]
    assert (copy.folder / MODEL).exists()
    assert not (copy.folder / failed).exists()


def test_two_runs_at_once(copy):
    copy.edit_config(LONG)
    first = subprocess.Popen(
        ["snakemake", "--cores", "1", MODEL],
        cwd=copy.folder,
        env=copy.cold().environment,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    locks = copy.folder / ".snakemake/locks"
    deadline = time.monotonic() + 60
    while not (locks.exists() and any(locks.iterdir())) and time.monotonic() < deadline:
        time.sleep(0.02)
    second = copy.snakemake(MODEL, check=False)
    assert second.returncode == 1 and "Directory cannot be locked" in second.stdout
    assert "Traceback" not in second.stdout
    assert first.wait(300) == 0 and (copy.folder / MODEL).exists()


# The machine and the place: faults 19 to 22.


def test_no_gpu(copy):
    import torch

    if torch.cuda.is_available():
        pytest.skip("there is a GPU here")
    copy.edit_config({"train": {"device": "cuda"}})
    assert "error: train.device: cuda is asked for, but torch finds no GPU" in fails(copy, MODEL)


def test_out_of_memory(copy):
    copy.edit_config({"train": {"batch_size": 64}, "network": {"width": 60.0}})
    limit = f"ulimit -v {5 * 2**20}; snakemake --cores 1 {MODEL}"
    done = copy.cold().run("sh", "-c", limit, check=False)
    assert done.returncode == 1 and "Traceback" not in done.stdout, done.stdout[-3000:]
    assert "memory is not enough. Lower train.batch_size (now 64)" in done.stdout


def test_a_results_folder_that_cannot_be_written(copy):
    (copy.folder / MODEL).unlink()
    place = copy.folder / "results"
    done = with_mount(copy, f"--bind -o ro {shlex.quote(str(place))}", "results", MODEL)
    assert done.returncode == 1
    assert "Write-protected output files for rule train" in done.stdout
    assert "results/demo/models/D4/seed-0/run.json" in done.stdout
    assert "Traceback" not in done.stdout


def test_a_path_with_blanks_and_letters_of_other_languages(finished):
    """The shared small study has run in such a folder."""
    assert not str(finished.folder).isascii() and " " in str(finished.folder)
    assert finished.planned() == {}
    metrics = json.loads((finished.folder / "results/demo/metrics.json").read_text())
    assert list(metrics["models"]) == SMALL["train"]["models"]


def test_notes_of_any_length_stand_in_the_report(copy):
    """200,000 characters: more than Linux lets one argument of a command have."""
    notes = [f"{number} " + "long " * 400 for number in range(100)]
    copy.edit_config({"notes": [note[:2000] for note in notes]})
    assert copy.planned() == {"report": 1, "all": 1}
    copy.snakemake()
    report = (copy.folder / "results/demo/report.html").read_text()
    assert all(note[:2000].strip() in report for note in notes)
    assert copy.planned() == {}


# What a config says is data, never a command.


@pytest.mark.parametrize("text", ["demo; touch PWNED #", "a\n", "-x", "../a", "a b", "", "a" * 200])
def test_a_study_is_called_by_a_name(fresh, text):
    fresh.edit_config({"study": text})
    assert "config: study: " in fails(fresh, "-n")


def test_a_second_run_says_which_one_is_alive(copy):
    """The first one waits for a lock that this test holds in its name."""
    locks = copy.folder / ".snakemake/locks"
    locks.mkdir(parents=True, exist_ok=True)
    (locks / "0.input.lock").touch()
    command = [sys.executable, "-c", "import time; time.sleep(60)  # snakemake"]
    alive = subprocess.Popen(command, cwd=copy.folder)
    try:
        done = copy.run("python", "workflow/run_study.py", check=False)
    finally:
        alive.kill()
        alive.wait()
    assert done.returncode == 1
    assert f"process {alive.pid}; wait until it ends" in done.stdout
    assert (locks / "0.input.lock").exists()
