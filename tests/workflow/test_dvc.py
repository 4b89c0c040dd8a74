"""DVC around Snakemake: clone, pull, nothing to do; one edit, exactly its jobs."""

import os
import shutil
from pathlib import Path

import pytest

from . import stand_in_conda
from .conftest import Project

DVC_CONFIG = """[core]
    analytics = false
    remote = published
[cache]
    type = "reflink,copy"
['remote "published"']
    url = store
    verify = true
"""


@pytest.fixture(scope="module")
def published(finished, tmp_path_factory) -> Project:
    """The finished study, committed to git and pushed to a store inside the repository."""
    folder = tmp_path_factory.mktemp("published") / "repository"
    shutil.copytree(finished.folder, folder)
    project = Project(folder)
    project.environment.update(
        GIT_AUTHOR_NAME="a",
        GIT_AUTHOR_EMAIL="a@b.c",
        GIT_COMMITTER_NAME="a",
        GIT_COMMITTER_EMAIL="a@b.c",
        DVC_NO_ANALYTICS="1",
    )
    project.run("git", "init", "-q")
    project.run("dvc", "init", "-q")
    (folder / ".dvc/config").write_text(DVC_CONFIG)
    done = project.run("dvc", "repro")
    assert "Nothing to be done" in done.stdout
    project.run("dvc", "push", "-q")
    project.run("git", "add", "-A")
    project.run("git", "commit", "-qm", "published")
    return project


@pytest.fixture
def clone(published, tmp_path) -> Project:
    """A clone at another path, nothing pulled yet."""
    folder = tmp_path / "clone"
    published.run("git", "clone", "-q", str(published.folder), str(folder))
    project = Project(folder)
    project.environment = published.environment
    return project


def test_clone_and_pull_leave_nothing_to_do(clone):
    clone.run("dvc", "pull", "-q")
    assert clone.planned() == {}
    assert "up to date" in clone.run("dvc", "status").stdout


def test_then_one_changed_training_parameter_re_runs_the_trainings_and_what_follows(clone):
    clone.run("dvc", "pull", "-q")
    clone.edit_config({"train": {"weight_decay": 0.02}})
    expected = {
        # work/ is not published: trainings and predictions need their images again, and the
        # contact sheets show them.
        "convert": 1,
        "degrade": 3,
        "plot_class_sheet": 1,
        "plot_condition_sheet": 1,
        "train": 6,
        "predict": 6,
        "equivariance": 6,
        "measure": 3,
        "compare": 1,
        "plot_accuracy_by_order": 1,
        "plot_equivariance": 1,
        "plot_training_curves": 1,
        "plot_confusion": 1,
        "plot_reliability": 1,
        "report": 1,
        "all": 1,
    }
    assert clone.planned() == expected


@pytest.mark.parametrize("path", ["results/demo", "data/simulated"])
def test_files_without_their_records_are_refused(clone, path):
    clone.run("dvc", "pull", "-q", path)
    clone.edit_config({"train": {"weight_decay": 0.02}})
    done = clone.run("dvc", "repro", check=False)
    assert done.returncode != 0
    assert "came without Snakemake's records" in done.stdout and "dvc pull" in done.stdout


def test_repro_runs_in_conda_environments_where_conda_is_on_the_path(clone, tmp_path):
    clone.run("dvc", "pull", "-q")
    clone.edit_config({"evaluate": {"bootstrap": 120}})
    programs = stand_in_conda.install(tmp_path / "conda")
    environment = dict(clone.environment)
    clone.environment = {
        **environment,
        "PATH": f"{programs}{os.pathsep}{environment['PATH']}",
        "PYTHONPATH": "",
    }
    done = clone.run("dvc", "repro")
    assert "Activating conda environment" in done.stdout
    assert list(Path(clone.folder, ".snakemake/conda").glob("*/bin/python"))
    assert clone.planned() == {}
