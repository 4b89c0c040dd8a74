"""Each published system's preset, at its smallest scale, ends with a report."""

import json

import pytest
import yaml

from equimorph.study.yaml_files import merged, read_yaml

# Every network is built, trained for one epoch of three or four steps, predicts and is audited.
SMALLEST = {
    "scale": 0.005,
    "data": {"source": "simulated", "split": {"train": 0.5, "validation": 0.25, "test": 0.25}},
    "train": {"seeds": [0], "batch_size": 4000},
    "evaluate": {"conditions": ["clean", "rotated"], "angle_step": 90},
}


# One network of each kind; the others, whose largest take minutes, are in `make test-all`.
SOME = {
    "pandya2023": ["CNN", "CNN-orbit", "D16"],
    "cbfocal-ecnn": None,
    "deepcnn5": None,
    "cnn-vs-vit": ["CustomCNN", "ViT", "Probe-ResNet18"],
}
# CustomCNN does 2.5 billion multiply-adds per image at its smallest.
FEW = {"cnn-vs-vit": {"train": 3, "validation": 2, "test": 2}}


@pytest.mark.parametrize("preset", SOME)
def test_preset(fresh, preset):
    run(fresh, preset, models=SOME[preset])


@pytest.mark.slow
@pytest.mark.parametrize("preset", [name for name, some in SOME.items() if some])
def test_all_networks_of_a_preset(fresh, preset):
    run(fresh, preset)


# A network or two of each, and of S1 a condition of each kind: all are checked in
# tests/unit/study/test_published_presets.py.
PUBLISHED = {
    "pandya2023": {
        "train": {"models": ["CNN", "D1"]},
        "evaluate": {"conditions": ["clean", "legacy-noise-50", "resolution-25", "white-pixel"]},
    },
    "cbfocal-ecnn": {"train": {"models": ["CBFocal-CNN", "CBFocal-ECNN"]}},
    "deepcnn5": {"train": {"models": ["DeepCNN5"]}},
    "cnn-vs-vit": {  # few images for its widest network
        "data": {"split": {"at_most": {"train": 2}}},
        "train": {"models": ["CustomCNN", "ViT", "Probe-ResNet18"], "epochs": 150},
    },
}


@pytest.mark.parametrize(
    "name",
    [
        "pandya2023",
        # Their networks, with the corrected presets' switches, run above.
        *(
            pytest.param(name, marks=pytest.mark.slow)
            for name in ("cbfocal-ecnn", "deepcnn5", "cnn-vs-vit")
        ),
    ],
)
def test_published(fresh, name):
    """Each with its own split, star filter, conditions and recipe."""
    run_published(fresh, name)


@pytest.mark.slow
def test_balanced_sets_of_s4(fresh):
    run_published(fresh, "cnn-vs-vit", "s4-balanced")


def run_published(project, name, *others):
    """Run a published preset with some of its networks, and look at what came of it."""
    overlays = [f"workflow/presets/published/{one}.yaml" for one in (name, *others)]
    smallest = {
        "scale": SMALLEST["scale"],
        "data": {"source": "simulated"},
        "train": {"batch_size": 4000},
        "evaluate": {"angle_step": 180},
    }
    smallest = merged(smallest, PUBLISHED[name])
    (project.folder / "smallest.yaml").write_text(yaml.safe_dump(smallest))
    project.snakemake("--configfile", *overlays, "smallest.yaml")
    study = read_yaml(project.folder / "config.yaml")
    for overlay in (*overlays, "smallest.yaml"):
        study = merged(study, read_yaml(project.folder / overlay))
    results = project.folder / "results" / study["study"]
    metrics = json.loads((results / "metrics.json").read_text())
    assert list(metrics["models"]) == study["train"]["models"]
    for model in metrics["models"].values():
        assert list(model["conditions"]) == study["evaluate"]["conditions"]
    assert metrics["split"]["leaky"]
    report = (results / "report.html").read_text()
    assert all(name in report for name in study["train"]["models"])


@pytest.mark.slow
def test_all_networks_of_s1(fresh):
    run(fresh, "pandya2023", "extensions/s1-networks")


def run(project, preset, *extensions, models=None):
    """Run a preset with its extensions at the smallest scale, and look at what came of it.

    With `models`, these of its networks alone.
    """
    overlays = [f"workflow/presets/{name}.yaml" for name in (preset, *extensions)]
    settings = yaml.safe_load((project.folder / overlays[-1]).read_text())["train"]
    models = models or settings["models"]
    assert set(models) <= set(settings["models"])
    train = {**SMALLEST["train"], "models": models}
    smallest = {"data": {"split": {"at_most": FEW.get(preset, {})}}, "train": train}
    smallest = merged(SMALLEST, smallest)
    (project.folder / "smallest.yaml").write_text(yaml.safe_dump(smallest))
    project.snakemake("--configfile", *overlays, "smallest.yaml")
    results = project.folder / "results" / preset
    metrics = json.loads((results / "metrics.json").read_text())
    assert list(metrics["models"]) == models
    assert all(set(m["conditions"]) == {"clean", "rotated"} for m in metrics["models"].values())
    report = (results / "report.html").read_text()
    assert all(name in report for name in models)
