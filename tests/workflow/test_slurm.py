"""The small study through profiles/slurm, on a real one-node Slurm that the test starts."""

import csv
import re
import shutil
import subprocess
import time

import pytest
import torch

from tests.workflow.conftest import Project, copy_project
from tests.workflow.slurm.cluster import Cluster, Unavailable, install

pytestmark = pytest.mark.slow

# No accounting here, and jobs of seconds: what a user of a cluster leaves as it is.
OPTIONS = (
    *("--profile", "profiles/slurm", "--cores", "2", "--latency-wait", "5"),
    *("--slurm-partition-config", "profiles/slurm/partitions.yaml", "--slurm-no-account"),
    *("--slurm-status-command", "squeue", "--slurm-init-seconds-before-status-checks", "3"),
)
SMALLEST = {
    "train": {"models": ["CNN", "D4"], "seeds": [0]},
    "evaluate": {"conditions": ["clean", "rotated"]},
}
SUBMITTED = re.compile(r"Job (\d+|\S+) has been submitted with SLURM jobid (\d+)")
MODEL = "results/demo/models/D4/seed-0/model.safetensors"
STATE = "work/resume/demo/D4-seed-0.pt"


@pytest.fixture(scope="module")
def cluster():
    try:
        install()
    except Unavailable as reason:
        pytest.skip(f"no Slurm: {reason}")
    cluster = Cluster(cpus=2)
    try:
        cluster.start()
        yield cluster
    finally:
        cluster.stop()


@pytest.fixture(scope="module")
def study(root, cluster, tmp_path_factory) -> tuple[Project, str]:
    """A project whose small study has run on the cluster, and what snakemake printed."""
    project = copy_project(root, tmp_path_factory.mktemp("slurm") / "project").cold()
    project.edit_config(SMALLEST)
    project.environment = cluster.reach(project.environment)
    done = project.run("snakemake", *OPTIONS)
    return project, done.stdout


@pytest.fixture
def project(study, tmp_path) -> Project:
    """A copy of that project, to edit."""
    done, _ = study
    shutil.copytree(done.folder, tmp_path / "project")
    copy = Project(tmp_path / "project")
    copy.environment = done.environment
    return copy


def jobs(cluster: Cluster, ids: list[str]) -> dict[str, dict[str, str]]:
    """What Slurm remembers of its jobs, by id: partition, state, CPUs, memory, minutes, GPUs."""
    keys = ("id", "partition", "state", "cpus", "memory", "limit", "gpus")
    text = cluster.run(
        "squeue",
        "--states=all",
        "--noheader",
        "--Format=JobID:|,Partition:|,State:|,NumCPUs:|,MinMemory:|,TimeLimit:|,tres-per-job:|",
    )
    rows = [dict(zip(keys, line.split("|"), strict=False)) for line in text.splitlines()]
    return {row["id"]: row for row in rows if row["id"] in ids}


def submitted(output: str) -> list[str]:
    """The ids of the Slurm jobs that a run of snakemake submitted, in order."""
    return [number for _, number in SUBMITTED.findall(output)]


def test_the_study_runs_and_is_finished_for_a_run_without_slurm(study):
    project, _ = study
    assert (project.folder / "results/demo/report.html").stat().st_size > 0
    assert (project.folder / MODEL).exists()
    assert project.planned() == {}


def test_each_job_asks_for_what_the_profile_says(study, cluster):
    _, output = study
    ids = submitted(output)
    found = jobs(cluster, ids)
    # Data, report, classifier: one each; training, prediction and audit of two models.
    assert len(ids) == 3 + 3 * 2
    assert {job["state"] for job in found.values()} == {"COMPLETED"}
    assert {job["partition"] for job in found.values()} == {"cpu"}
    assert {job["gpus"] for job in found.values()} <= {"N/A", ""}
    limits = sorted(job["limit"] for job in found.values())
    assert limits.count("6:00:00") == 2 and limits.count("2:00:00") == 2  # train and predict
    memory = [job["memory"] for job in found.values() if job["limit"] == "6:00:00"]
    assert memory == ["24000M"] * 2


def test_a_cancelled_training_is_retried_and_resumes(project, cluster):
    project.edit_config({"train": {"models": ["CNN", "D4"], "epochs": 60, "patience": 60}})
    state = project.folder / STATE
    log = project.folder / "snakemake.log"
    with open(log, "wb") as file:
        process = subprocess.Popen(
            ["snakemake", *OPTIONS, MODEL],
            cwd=project.folder,
            env=project.environment,
            stdout=file,
            stderr=subprocess.STDOUT,
        )
    try:
        wait(lambda: state.exists() or process.poll() is not None, "no epoch ended", 1800)
        assert process.poll() is None, log.read_text()[-4000:]
        first = submitted(log.read_text())[-1]
        cluster.run("scancel", first)
        wait(lambda: jobs(cluster, [first])[first]["state"] == "CANCELLED", "not cancelled", 300)
        done = torch.load(state, weights_only=True)["state"]["progress"]["history"]
        assert 0 < len(done) < 60
        assert not (project.folder / MODEL).exists()
        assert process.wait(1800) == 0, log.read_text()[-4000:]
    finally:
        if process.poll() is None:
            process.terminate()
            process.wait(60)

    ids = submitted(log.read_text())
    assert [jobs(cluster, ids)[i]["state"] for i in ids] == ["CANCELLED", "COMPLETED"]
    assert jobs(cluster, ids)[ids[1]]["limit"] == "12:00:00"  # the second attempt may take longer
    with open((project.folder / MODEL).with_name("history.csv"), newline="") as file:
        history = list(csv.DictReader(file))
    assert len(history) == 60
    # Down to the seconds that each epoch took: these epochs ran before the job was cancelled.
    assert [float(row["seconds"]) for row in history[: len(done)]] == [r["seconds"] for r in done]
    assert not state.exists()


def test_trainings_on_gpus_run_side_by_side_each_with_one(project, cluster):
    project.edit_config({"train": {"device": "cuda"}})
    targets = [f"results/demo/models/{model}/seed-0/run.json" for model in ("CNN", "D4")]
    # Without a GPU behind the one that Slurm counts, the jobs fail, with that sentence.
    done = project.run("snakemake", *OPTIONS, "--retries", "0", *targets, check=False)
    assert done.returncode == int(not torch.cuda.is_available()), done.stdout[-4000:]
    ids = submitted(done.stdout)
    found = jobs(cluster, ids)
    assert len(ids) == 2
    assert {job["partition"] for job in found.values()} == {"gpu"}
    assert {job["gpus"] for job in found.values()} == {"gres:gpu:1"}
    # profiles/default lets one GPU job run at a time; on a cluster that is not what holds.
    second = done.stdout.index(f"jobid {ids[1]}")
    assert not re.search(rf"(failed|Finished).*{ids[0]}", done.stdout[:second])
    assert "Finished job" not in done.stdout[:second] and "Error in" not in done.stdout[:second]


def wait(condition, complaint: str, seconds: float) -> None:
    """Wait until the condition holds."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, complaint
        time.sleep(0.1)
