"""Each single edit re-runs exactly its jobs; what changes no result re-runs nothing.

The counts are those of the small study: three models, two seeds, three conditions. Further edits
are in test_study.py (a recipe, one more seed, one more model, a module of the figures); what passes
through DVC is in test_dvc.py, through conda in test_conda.py.
"""

import os
import random
import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import yaml

from equimorph.study.yaml_files import merged

from .conftest import Project

Edit = tuple[str, Callable[[str], str]]

ALWAYS = {"report": 1, "all": 1}
AFTER_COMPARE = {
    "plot_accuracy_by_order": 1,
    "plot_training_curves": 1,
    "plot_confusion": 1,
    "plot_reliability": 1,
    **ALWAYS,
}
AFTER_MEASURE = {"compare": 1, **AFTER_COMPARE}
AFTER_PREDICT = {"measure": 3, **AFTER_MEASURE}
AFTER_TRAIN = {"predict": 6, "equivariance": 6, "plot_equivariance": 1, **AFTER_PREDICT}
AFTER_DEGRADE = {"predict": 6, "plot_condition_sheet": 1, **AFTER_PREDICT}
AFTER_SPLIT = {
    "degrade": 3,
    "train": 6,
    "plot_class_histogram": 1,
    "plot_sky_map": 1,
    "plot_class_sheet": 1,
    **AFTER_DEGRADE,
    **AFTER_TRAIN,
}
DATA = ("simulate", "verify", "convert", "catalogue", "audit", "split")
EVERYTHING = {**dict.fromkeys(DATA, 1), **AFTER_SPLIT}
FIGURES = {rule: 1 for rule in EVERYTHING if rule.startswith("plot_")}


def config(changes: dict) -> Edit:
    """Return an edit of config.yaml; the report prints the config, so it follows each of them."""

    def change(text: str) -> str:
        return yaml.safe_dump(merged(yaml.safe_load(text), changes), sort_keys=False)

    return "config.yaml", change


def line(path: str, text: str = "# edited") -> Edit:
    """Return an edit that adds a line."""
    return path, lambda old: f"{old}\n{text}\n"


def words(path: str, old: str, new: str) -> Edit:
    """Return an edit that replaces words, which must stand there once."""

    def change(text: str) -> str:
        assert text.count(old) == 1, f"{path}: {old!r} {text.count(old)} times"
        return text.replace(old, new)

    return path, change


EDITS = {
    "parameter of the data": (config({"data": {"simulated": {"seed": 1}}}), EVERYTHING),
    "parameter of the split": (
        config({"data": {"split": {"seed": 43}}}),
        {"split": 1, **AFTER_SPLIT},
    ),
    "parameter of one condition": (
        config({"conditions": {"noise-50": {"level": 0.4}}}),
        {"degrade": 1, **AFTER_DEGRADE},
    ),
    "training parameter": (
        config({"train": {"weight_decay": 0.02}}),
        {"train": 6, **AFTER_TRAIN},
    ),
    "training parameter of one model": (
        config({"train": {"overrides": {"D4": {"learning_rate": 0.001}}}}),
        {"train": 2, **AFTER_TRAIN, "predict": 2, "equivariance": 2, "measure": 1},
    ),
    "architecture of one model": (
        line("workflow/equimorph/models/architectures/cnn.py"),
        {"train": 2, **AFTER_TRAIN, "predict": 2, "equivariance": 2, "measure": 1},
    ),
    "architecture of two models": (
        line("workflow/equimorph/steerable/irrep_conv.py"),
        {"train": 4, **AFTER_TRAIN, "predict": 4, "equivariance": 4, "measure": 2},
    ),
    "loss": (line("workflow/equimorph/training/losses/focal.py"), {"train": 6, **AFTER_TRAIN}),
    "degradation": (
        line("workflow/equimorph/robustness/degradations/noise.py"),
        {"degrade": 1, **AFTER_DEGRADE},
    ),
    "metric": (line("workflow/equimorph/evaluation/metrics.py"), AFTER_PREDICT),
    "script": (line("workflow/scripts/evaluate/measure.py"), AFTER_PREDICT),
    "library module": (
        line("workflow/equimorph/robustness/degrade.py"),
        {"degrade": 3, **AFTER_DEGRADE},
    ),
    "plot": (
        line("workflow/equimorph/report/figures/confusion.py"),
        {"plot_confusion": 1, **ALWAYS},
    ),
    "wording": (line("workflow/equimorph/report/wording.py"), {"plot_sky_map": 1, **ALWAYS}),
    "environment": (line("envs/report.yaml"), {**FIGURES, **ALWAYS}),
    "script of an environment": (line("envs/compute.post-deploy.sh"), EVERYTHING),
    "text of a rule": (
        words("workflow/rules/robustness.smk", "python {input.script}", "python -b {input.script}"),
        {"degrade": 3, **AFTER_DEGRADE},
    ),
    "caption": (line("workflow/report/sky_map.rst", "Edited."), ALWAYS),
    # What no result of the study depends on.
    "architecture of no model": (line("workflow/equimorph/models/architectures/vit.py"), {}),
    "list of names": (line("workflow/equimorph/study/published_models.py"), {}),
    "list of architectures": (line("workflow/equimorph/study/models.py"), {}),
    "tracker": (line("workflow/equimorph/tracking/tensorboard.py"), {}),
    "degradation of no condition": (
        line("workflow/equimorph/robustness/degradations/resolution.py"),
        {},
    ),
}

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


@contextmanager
def edited(path: Path, change: Callable[[str], str]) -> Iterator[None]:
    """Edit a file, later take the edit back, the time of the last change included."""
    before, times = path.read_text(), path.stat()
    path.write_text(change(before))
    assert path.read_text() != before
    try:
        yield
    finally:
        path.write_text(before)
        os.utime(path, ns=(times.st_atime_ns, times.st_mtime_ns))


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
