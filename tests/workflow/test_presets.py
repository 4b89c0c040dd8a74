"""Each published system's preset, at its smallest scale, ends with a report."""

import json

import pytest
import yaml

# Every network is built, trained for one epoch of three or four steps, predicts and is audited.
SMALLEST = {
    "scale": 0.005,
    "data": {"source": "simulated", "split": {"train": 0.5, "validation": 0.25, "test": 0.25}},
    "train": {"seeds": [0], "batch_size": 4000},
    "evaluate": {"conditions": ["clean", "rotated"], "angle_step": 90},
}


# One network of each kind; the others, whose largest take minutes, are in `make test-all`.
SOME = {
    "pandya2023": ["CNN", "CNN-orbit", "C8", "D16"],
    "cbfocal-ecnn": None,
    "deepcnn5": None,
    "cnn-vs-vit": ["CustomCNN", "ViT", "Probe-ResNet18", "Tuned-ResNet18"],
}


@pytest.mark.parametrize("preset", SOME)
def test_preset(fresh, preset):
    run(fresh, preset, models=SOME[preset])


@pytest.mark.slow
@pytest.mark.parametrize("preset", [name for name, some in SOME.items() if some])
def test_all_networks_of_a_preset(fresh, preset):
    run(fresh, preset)


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
    (project.folder / "smallest.yaml").write_text(yaml.safe_dump({**SMALLEST, "train": train}))
    project.snakemake("--configfile", *overlays, "smallest.yaml")
    results = project.folder / "results" / preset
    metrics = json.loads((results / "metrics.json").read_text())
    assert list(metrics["models"]) == models
    assert all(set(m["conditions"]) == {"clean", "rotated"} for m in metrics["models"].values())
    report = (results / "report.html").read_text()
    assert all(name in report for name in models)
