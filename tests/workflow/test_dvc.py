"""DVC around Snakemake: clone, pull, nothing to do; one edit, exactly its jobs."""

import csv
import hashlib
import os
import re
import shutil

import numpy as np
import pytest
from PIL import Image

from dvc_stage import check_watched

from . import stand_in_conda
from .conftest import IDENTITY, Project, clone_of
from .edits import EDITS, EVERYTHING, edited

METRICS = "results/demo/metrics.json"


@pytest.fixture
def clone(published, tmp_path) -> Project:
    """A clone at another path, nothing pulled yet."""
    return clone_of(published, tmp_path / "clone")


def test_clone_and_pull_leave_nothing_to_do(clone, tmp_path):
    """With conda, too: the environments' paths, which differ, are no reason to run anything."""
    clone.run("dvc", "pull", "-q")
    assert "up to date" in clone.run("dvc", "status").stdout
    assert clone.planned() == {}
    clone.environment = stand_in_conda.on_path(clone.environment, tmp_path / "conda")
    assert clone.planned("--use-conda") == {}


def test_where_git_writes_crlf_a_clone_pulls_and_has_nothing_to_do(published, tmp_path):
    """Windows' default would alter the store's objects, and every script."""
    clone = clone_of(published, tmp_path / "clone", "-c", "core.autocrlf=true")
    clone.run("dvc", "pull", "-q")
    assert clone.planned() == {}


def test_then_one_changed_training_parameter_re_runs_the_trainings_and_what_follows(clone):
    clone.run("dvc", "pull", "-q")
    clone.edit_config({"train": {"weight_decay": 0.02}})
    # work/ is not published: the images are drawn again, and what reads a file that the same call
    # makes is made again, too.
    expected = {rule: jobs for rule, jobs in EVERYTHING.items() if rule != "simulate"}
    assert clone.planned() == expected


@pytest.mark.slow
def test_images_of_ones_own_that_change_are_seen(fresh, tmp_path):
    """Whoever relabels an image runs the data stage anew, and `dvc status` says so before."""
    own, draw = tmp_path / "my images", np.random.default_rng(0)
    own.mkdir()
    labels = {f"{number}.png": number % 2 for number in range(24)}
    for name in labels:
        Image.fromarray(draw.integers(0, 256, (33, 33, 3), np.uint8)).save(own / name)

    def write_manifest():
        rows = "".join(f"{name},{label}\n" for name, label in labels.items())
        (own / "manifest.csv").write_text("path,label\n" + rows)

    write_manifest()
    fresh.environment = {**stand_in_conda.off_path(fresh.environment), **IDENTITY}
    fresh.environment["EQUIMORPH_REAL_DATA"] = str(own)
    fresh.edit_config({"data": {"source": "images", "classes": ["round", "barred"]}})
    fresh.run("git", "init", "-q")
    fresh.run("dvc", "init", "-q")
    watched = fresh.folder / "data/sources/images"
    watched.mkdir()  # of other images than those that the environment names
    said = fresh.run("dvc", "repro", "data", check=False).stdout
    assert f"ln -sfn '{own}' data/sources/images" in said and "Job stats" not in said
    watched.rmdir()
    watched.symlink_to(own)
    fresh.run("dvc", "repro", "data")
    assert "up to date" in fresh.run("dvc", "status", "data").stdout

    labels["3.png"] = 0
    write_manifest()
    assert "modified:           data/sources/images" in fresh.run("dvc", "status", "data").stdout
    fresh.run("dvc", "repro", "data")
    with open(fresh.folder / "data/images/catalogue.csv", newline="") as table:
        found = [int(row["label"]) for row in csv.DictReader(table)]
    assert found == list(labels.values())
    assert "up to date" in fresh.run("dvc", "status", "data").stdout


@pytest.mark.parametrize("key", ["data.split.table", "train.start_from"])
def test_files_that_dvc_does_not_watch_are_refused(fresh, key, monkeypatch):
    """It would call the study up to date whatever becomes of them."""

    def name(place: str) -> None:
        (fresh.folder / place).touch()
        changes = {
            "data.split.table": {"data": {"split": {"protocol": "table", "table": place}}},
            "train.start_from": {"train": {"overrides": {"D4": {"start_from": place}}}},
        }
        fresh.edit_config(changes[key])

    name("mine")
    done = fresh.run("python", "workflow/dvc_stage.py", "data", check=False)
    assert done.returncode == 1
    assert f"error: config: {key}: mine: DVC does not watch this file" in done.stdout
    assert "Job stats" not in done.stdout
    monkeypatch.chdir(fresh.folder)
    name("workflow/mine")
    check_watched(fresh.config())


@pytest.fixture(scope="module")
def with_images(published, tmp_path_factory) -> Project:
    """A clone, pulled, its images made; each test takes its edit back."""
    project = clone_of(published, tmp_path_factory.mktemp("with_images") / "clone")
    project.run("dvc", "pull", "-q")
    said = project.snakemake("-n").stdout
    assert "Nothing to be done" in said and "snakemake images --cores all" in said
    data = ("draw", "verify", "catalogue", "find_lookalikes", "split", "convert")
    assert project.planned("images") == {**dict.fromkeys(data, 1), "degrade": 3, "images": 1}
    project.snakemake("images")
    assert "snakemake images" not in project.snakemake("-n").stdout
    assert "up to date" in project.run("dvc", "status").stdout  # data made again, to the last bit
    return project


@pytest.mark.parametrize("name", EDITS)
def test_in_a_clone_whose_images_are_made_one_edit_re_runs_exactly_its_jobs(with_images, name):
    (path, change), expected = EDITS[name]
    with edited(with_images.folder / path, change):
        assert with_images.planned() == expected


EARLY = ("architecture of one model", "plot", "script of an environment", "caption")


@pytest.mark.parametrize("name", EARLY)
def test_an_edit_older_than_the_pull_is_seen_all_the_same(with_images, name):
    """As in a clone of a commit whose results were published before the edit."""
    (path, change), expected = EDITS[name]
    shutil.rmtree(with_images.folder / ".snakemake")
    with edited(with_images.folder / path, change):
        os.utime(with_images.folder / path, (1, 1))
        assert with_images.planned() == expected


def test_make_results_makes_the_images_first_and_re_trains_nothing(clone):
    clone.run("dvc", "pull", "-q")
    (clone.folder / "results/demo/figures/class_sheet.webp").unlink()
    models = list((clone.folder / "results/demo/models").rglob("*.safetensors"))
    written = {path: path.stat().st_mtime_ns for path in models}
    locks = clone.folder / ".snakemake/locks"
    locks.mkdir(parents=True)
    (locks / "0.input.lock").touch()  # as after kill -9
    said = clone.run("python", "workflow/run_study.py").stdout
    assert "The lock that a killed run left" in said
    assert (clone.folder / "results/demo/figures/class_sheet.webp").exists()
    assert {path: path.stat().st_mtime_ns for path in models} == written


def test_files_without_their_records_are_refused(clone):
    clone.run("dvc", "pull", "-q", "data/simulated")
    clone.edit_config({"train": {"weight_decay": 0.02}})
    done = clone.run("dvc", "repro", check=False)
    assert done.returncode != 0
    assert "came without Snakemake's records" in done.stdout and "dvc pull" in done.stdout


def refused(project: Project) -> str:
    """Run `dvc repro`, which must refuse; return the message."""
    lock = (project.folder / "dvc.lock").read_text()
    done = project.run("dvc", "repro", check=False)
    assert done.returncode != 0 and "Job stats" not in done.stdout
    assert (project.folder / "dvc.lock").read_text() == lock
    return done.stdout


@pytest.mark.parametrize("path", ["data/simulated/galaxies.npz", "results/demo/report.html"])
def test_a_damaged_file_is_refused_until_checked_out(clone, path):
    """DVC would record it as the stage's output; Snakemake would make everything from it."""
    clone.run("dvc", "pull", "-q")
    file = clone.folder / path
    content = file.read_bytes()
    file.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
    said = refused(clone)
    assert f"error: {path} differs" in said and "dvc checkout --force" in said
    clone.run("dvc", "checkout", "-q", "--force")
    assert file.read_bytes() == content
    assert "up to date" in clone.run("dvc", "status").stdout


def test_a_deleted_file_comes_back_and_an_edited_caption_re_runs_the_report_alone(clone):
    """Both at once. What is kept is not even written anew, and the cache stays what it was."""
    clone.run("dvc", "pull", "-q")
    figure = clone.folder / "results/demo/figures/class_sheet.webp"  # made of images, as models are
    model = clone.folder / "results/demo/models/D4/seed-0/model.safetensors"
    written = model.stat().st_mtime_ns
    figure.unlink()
    caption = clone.folder / "workflow/report/sky_map.rst"
    caption.write_text("Edited here.\n")
    done = clone.run("dvc", "repro")
    assert figure.exists() and model.stat().st_mtime_ns == written
    assert "Edited here." in (clone.folder / "results/demo/report.html").read_text()
    stats = done.stdout.rsplit("Job stats:", 1)[1].split("total", 1)[0].split()
    assert [word for word in stats if word.startswith(("plot", "train", "predict"))] == [
        "plot_class_sheet"
    ]
    assert "up to date" in clone.run("dvc", "status").stdout
    for file in (clone.folder / ".dvc/cache/files/md5").glob("*/*"):
        digest = hashlib.md5(file.read_bytes()).hexdigest()
        assert digest == f"{file.parent.name}{file.name}".removesuffix(".dir")


@pytest.fixture(scope="module")
def experiment(published, tmp_path_factory) -> tuple[Project, bytes, str]:
    """A clone where `dvc exp run -S` has run, with conda on PATH.

    Returns:
        The clone, the metrics before, and what the command printed.
    """
    place = tmp_path_factory.mktemp("experiment")
    project = clone_of(published, place / "clone")
    project.environment = stand_in_conda.on_path(published.environment, place / "conda")
    project.run("dvc", "pull", "-q")
    before = (project.folder / METRICS).read_bytes()
    change = ("-S", "config.yaml:evaluate.reference=C2")
    done = project.run("dvc", "exp", "run", "-n", "against-C2", *change)
    return project, before, done.stdout


def test_stages_run_in_conda_environments_where_conda_is_on_the_path(experiment):
    project, _, said = experiment
    activated = set(re.findall(r"Activating conda environment: (\S+)", said))
    assert len(activated) == 2  # compute and report
    assert all((project.folder / place / "bin/python").exists() for place in activated)
    assert re.search(r"Running post-deploy script \S+\.post-deploy\.sh", said)  # escnn


def test_an_experiment_becomes_a_branch_that_holds_results_and_records(experiment):
    """`dvc checkout` switches results and records together, `git checkout` neither."""
    clone, main, _ = experiment
    metrics = clone.folder / METRICS
    other = metrics.read_bytes()
    assert other != main and clone.planned() == {}
    clone.run("dvc", "exp", "branch", "-q", "against-C2", "other")

    clone.run("git", "checkout", "-q", "--force", "main")
    assert clone.planned()["compare"] == 1  # the other branch's results are not taken for main's
    clone.run("dvc", "checkout", "-q", "results/demo")
    assert metrics.read_bytes() == main and clone.planned() == {}  # the records came along
    clone.run("git", "checkout", "-q", "other")
    assert clone.planned()["compare"] == 1
    clone.run("dvc", "checkout", "-q", "--force")
    assert metrics.read_bytes() == other and clone.planned() == {}
    assert "up to date" in clone.run("dvc", "status").stdout
    clone.run("git", "checkout", "-q", "main")
    clone.run("dvc", "checkout", "-q")
    assert metrics.read_bytes() == main and clone.planned() == {}


def test_no_value_of_the_config_reaches_the_shell_that_dvc_starts(clone):
    clone.run("dvc", "pull", "-q")
    clone.edit_config({"study": "demo; touch PWNED #"})
    said = refused(clone)
    assert "config: study: 'demo; touch PWNED #' is not allowed" in said
    assert not (clone.folder / "PWNED").exists()
