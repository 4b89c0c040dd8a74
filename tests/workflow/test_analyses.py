"""Every analysis of trained networks, from the config to the report."""

import json

ALL = ["attack", "explanation", "sweeps", "latent", "calibration", "exploration"]
SMALLEST = {
    "train": {"models": ["CNN", "D4"], "seeds": [0]},
    "evaluate": {"conditions": ["clean", "rotated"], "angle_step": 90},
    "analyses": {
        "run": ALL,
        "attack": {"victims": 2, "population": 8, "generations": 2},
        "explanation": {"images": 2},
        "latent": {"methods": ["pca"]},
    },
}


def test_analyses_run_and_stand_in_the_report(fresh):
    fresh.edit_config(SMALLEST)
    fresh.snakemake()
    assert fresh.planned() == {}
    results = fresh.folder / "results/demo"
    measured = {path.stem for path in (results / "analyses").glob("*.json")}
    assert measured == set(ALL)
    attack = json.loads((results / "analyses/attack.json").read_text())
    assert set(attack["beyond_corners"]) == {"CNN", "D4"}
    report = (results / "report.html").read_text()
    for words in ("One-pixel", "Grad-CAM", "seeing", "neighbours", "temperature", "Signal-to-noise"):
        assert words in report
    assert len(report) < 2 * 2**20

    fresh.edit_config({"analyses": {"attack": {"generations": 3}}})
    planned = fresh.planned()
    assert planned["attack"] == 2
    assert not {"train", "predict", "explain", "embed", "calibrate"} & set(planned)
