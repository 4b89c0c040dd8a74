"""The analyses of a small study: switched on by their list, shown by the report, none trains."""

import json
import re
import shutil

import pytest
import yaml

from .conftest import Project

ANALYSES = ["attack", "explanation", "sweeps", "latent", "calibration", "exploration"]
SMALL = {
    "run": ANALYSES,
    "models": ["CNN", "D4"],
    "attack": {"victims": 2, "population": 4, "generations": 1},
    "explanation": {"images": 2, "conditions": ["clean", "noise-50"]},
    "latent": {"methods": ["pca", "tsne"]},
}


@pytest.fixture
def copy(finished, tmp_path) -> Project:
    """The finished project at another path, which may be changed."""
    folder = tmp_path / "elsewhere"
    shutil.copytree(finished.folder, folder)
    return Project(folder)


def test_switching_an_analysis_on_plans_it_and_the_report(copy):
    copy.edit_config({"analyses": {**SMALL, "run": ["calibration"]}})
    assert copy.planned() == {
        "calibrate": 2,
        "measure_calibration": 1,
        "plot_calibration": 1,
        "report": 1,
        "all": 1,
    }


def test_an_edit_of_the_attack_attacks_anew_and_nothing_else(copy):
    copy.edit_config({"analyses": {**SMALL, "run": ["attack", "latent"]}})
    planned = copy.planned()
    assert planned["attack"] == 2 and planned["embed"] == 2 and "train" not in planned


@pytest.mark.slow
def test_all_analyses_from_end_to_end(copy):
    copy.edit_config({"analyses": SMALL})
    config = copy.config()
    config["analyses"]["sweeps"] = {
        "angle": {"kind": "rotation", "angle": [0, 90]},
        "jpeg": {"kind": "jpeg", "quality": [90, 10]},
    }
    (copy.folder / "config.yaml").write_text(yaml.safe_dump(config, sort_keys=False))
    assert "train" not in copy.planned()
    copy.snakemake()
    assert copy.planned() == {}
    results = copy.folder / "results/demo"
    for name in ANALYSES:
        assert json.loads((results / f"analyses/{name}.json").read_text())
    report = (results / "report.html").read_text()
    places = re.findall(r'<figure id="(\w+)">', report)
    assert {"sweeps", "latent_maps", "explanation", "calibration", "augmentations"} <= {*places}
    assert 'id="latent-map-data"' in report
    assert {"attack_rates", "attack_examples"} <= {*places}
    # One target alone.
    (results / "figures/sweeps.svg").unlink()
    copy.snakemake("results/demo/figures/sweeps.svg")
    assert (results / "figures/sweeps.svg").exists()
