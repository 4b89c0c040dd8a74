"""Each published system's preset, at its smallest scale, ends with a report."""

import json

import pytest
import yaml

SMALLEST = {
    "scale": 0.01,
    "data": {"source": "simulated", "split": {"train": 0.5, "validation": 0.25, "test": 0.25}},
    "train": {"seeds": [0]},
    "evaluate": {"conditions": ["clean", "rotated"]},
}


@pytest.mark.parametrize("preset", ["pandya2023", "cbfocal-ecnn", "deepcnn5", "cnn-vs-vit"])
def test_preset(fresh, preset):
    overlay = f"workflow/presets/{preset}.yaml"
    models = yaml.safe_load((fresh.folder / overlay).read_text())["train"]["models"]
    (fresh.folder / "smallest.yaml").write_text(yaml.safe_dump(SMALLEST))
    fresh.snakemake("--configfile", overlay, "smallest.yaml")
    results = fresh.folder / "results" / preset
    metrics = json.loads((results / "metrics.json").read_text())
    assert list(metrics["models"]) == models
    assert all(set(m["conditions"]) == {"clean", "rotated"} for m in metrics["models"].values())
    report = (results / "report.html").read_text()
    assert all(name in report for name in models)
