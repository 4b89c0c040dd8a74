"""Each single edit re-runs exactly its jobs; what changes no result re-runs nothing.

The same edits in a clone are in test_dvc.py; what passes through conda is in test_conda.py. Further
edits are in test_study.py (one more seed, one more model).
"""

import os
import random
import shutil
import time

import pytest

from .conftest import Project
from .edits import AFTER_TRAIN, EDITS, edited, line, words

HARMLESS = [
    line("config.yaml"),
    line("Snakefile"),
    line("envs/driver.yaml"),
    line("profiles/default/config.yaml"),
    line("workflow/schemas/config.schema.yaml"),
    words("workflow/rules/robustness.smk", "Make the test images", "Produce the test images"),
]


@pytest.fixture(scope="module")
def project(finished, tmp_path_factory) -> Project:
    """The finished study at another path; each test takes its edit back."""
    folder = tmp_path_factory.mktemp("traps") / "elsewhere"
    shutil.copytree(finished.folder, folder)
    return Project(folder)


@pytest.mark.parametrize("name", EDITS)
def test_one_edit_re_runs_exactly_its_jobs(project, name):
    (path, change), expected = EDITS[name]
    with edited(project.folder / path, change):
        assert project.planned() == expected


def test_a_deleted_result_comes_back(project):
    history = project.folder / "results/demo/models/D4/seed-0/history.csv"
    kept = history.rename(project.folder / "kept")
    planned = project.planned()
    kept.rename(history)
    one = {"train": 1, **AFTER_TRAIN, "predict": 1, "equivariance": 1, "measure": 1}
    assert planned == one


def test_what_changes_no_result_re_runs_nothing(project, tmp_path):
    """Comments, messages, new times in any order, as a clone gives them, and lost work files."""
    copy = Project(tmp_path / "copy")
    shutil.copytree(project.folder, copy.folder)
    for path, change in HARMLESS:
        file = copy.folder / path
        file.write_text(change(file.read_text()))
    for folder in ("work", "logs", "benchmarks"):
        shutil.rmtree(copy.folder / folder)
    draw = random.Random(0)
    files = [path for path in copy.folder.rglob("*") if path.is_file()]
    for path in sorted(files):
        if ".snakemake" not in path.parts:
            seconds = time.time() - draw.uniform(0, 1e6)
            os.utime(path, (seconds, seconds))
    assert copy.planned() == {}


TWO_TRAININGS = """
rule all:
    input:
        "CNN",
        "D4",


rule train:
    output:
        "{model}",
    resources:
        gpu=1,
    shell:
        "mkdir gpu && sleep 1 && rmdir gpu && touch {output}"
"""


def test_one_training_at_a_time_on_the_gpu(root, tmp_path):
    """`resources: gpu=1` in a rule alone limits nothing; the profile says how many there are."""
    shutil.copytree(root / "profiles/default", tmp_path / "profiles/default")
    (tmp_path / "Snakefile").write_text(TWO_TRAININGS)
    Project(tmp_path).snakemake()
    assert (tmp_path / "CNN").exists() and (tmp_path / "D4").exists()
