"""One edit of each kind, and the jobs that it re-runs: in a finished study, and in a clone of it.

The counts are those of the small study: three models, two seeds, three conditions.
"""

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import yaml

from equimorph.study.yaml_files import merged

Edit = tuple[str, Callable[[str], str]]

ALWAYS = {"report": 1, "all": 1}
AFTER_COMPARE = {
    "plot_accuracy_by_order": 1,
    "plot_training_curves": 1,
    "plot_confusion": 1,
    "plot_reliability": 1,
    "classifier": 1,
    "classify_page": 1,
    "model_card": 1,
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
DATA = (
    "simulate",
    "draw",
    "verify",
    "convert",
    "catalogue",
    "find_lookalikes",
    "audit",
    "split",
)
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
    "wording": (
        line("workflow/equimorph/report/wording.py"),
        {"plot_accuracy_by_order": 1, "plot_condition_sheet": 1, "model_card": 1, **ALWAYS},
    ),
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
