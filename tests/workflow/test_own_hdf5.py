"""A file of one's own with Galaxy10's keys, a split by table, pretraining, turns: end to end."""

import json
import re

import h5py
import numpy as np
import pandas as pd
import pytest
import yaml

from equimorph.simulation.simulate import simulate

STUDY = {
    "study": "own",
    "data": {
        "source": "hdf5",
        "split": {
            "protocol": "table",
            "table": "somebodys.csv",
            "table_origin": "somebody's own",
        },
    },
    "models": {
        "D4-pretrained": {"architecture": "gcnn", "group": "D4"},
        "D4-few": {"architecture": "gcnn", "group": "D4"},
    },
    "pretrain": {
        "per_class": 10,
        "size": 40,
        "field": 33.5,
        "jpeg": 90,
        "recipe": {"epochs": 1, "patience": 1},
    },
    "train": {
        "models": ["CNN", "D4-pretrained", "D4-few"],
        "seeds": [0],
        "epochs": 1,
        "patience": 1,
        "overrides": {
            "D4-pretrained": {"start_from": "pretrained"},
            "D4-few": {"start_from": "pretrained/D4-pretrained", "labels": 30},
        },
    },
    "evaluate": {"conditions": ["clean"], "turns": [0, 30, 60]},
}


@pytest.fixture(scope="module")
def galaxies(tmp_path_factory):
    """A file without redshifts and pixel scales, one image in it blank, and a split of its rows."""
    folder = tmp_path_factory.mktemp("own")
    raw = simulate(12, 40, seed=5)
    raw.images[7] = 32
    position = np.arange(120)
    raw.ra[:], raw.dec[:] = position, 1
    raw.ra[6] = raw.ra[6 + 60]  # one position on two sides of the split
    with h5py.File(folder / "mine.h5", "w") as file:
        file["images"], file["ans"], file["ra"], file["dec"] = (
            raw.images,
            raw.labels,
            raw.ra,
            raw.dec,
        )
        file["h5_index"] = 1000 + position
    subset = np.tile(["train"] * 6 + ["validation"] * 3 + ["test"] * 3, 10)
    subset[[6, 7]] = "test"
    table = pd.DataFrame({"h5_index": 1000 + position, "subset": subset})
    table.to_csv(folder / "somebodys.csv", index=False)
    return folder


@pytest.fixture
def project(fresh, galaxies):
    (fresh.folder / "own.yaml").write_text(yaml.safe_dump(STUDY))
    (fresh.folder / "somebodys.csv").write_bytes((galaxies / "somebodys.csv").read_bytes())
    fresh.environment["EQUIMORPH_HDF5"] = str(galaxies / "mine.h5")
    return fresh


def test_the_study_runs_and_leads_back_to_the_file(project, galaxies):
    project.snakemake("--configfile", "own.yaml")
    assert project.planned("--configfile", "own.yaml") == {}
    results = project.folder / "results/own"

    split = json.loads((project.folder / "data/hdf5/split-table.json").read_text())
    assert split["table"]["origin"] == "somebody's own"
    assert split["leaks"]["same_position"] == {"pairs": 1, "across": 1}
    assert {6, 7} <= set(split["leaks"]["test_rows"])
    assert (project.folder / "data/hdf5/raw.h5").read_bytes() == (galaxies / "mine.h5").read_bytes()

    models = json.loads((results / "metrics.json").read_text())["models"]
    assert {name: model["pretrained"] for name, model in models.items()} == {
        "CNN": False,
        "D4-pretrained": True,
    }
    assert models["CNN"]["train_images"] == 60
    curve = pd.read_csv(results / "tables/label_curve.csv")
    assert curve["labels"].tolist() == [0, 30, 60]
    assert set(curve["network"]) == {"D4"}
    zero = models["D4-pretrained"]["zero_labels"]["accuracy"]["mean"]
    assert curve["accuracy"][0] == pytest.approx(zero, abs=1e-6)
    assert "zero_labels" not in models["CNN"]
    assert all(set(model["conditions"]) == {"clean"} for model in models.values())
    assert all(0 <= model["turns"]["accuracy"]["mean"] <= 1 for model in models.values())
    left = models["CNN"]["conditions"]["clean"]["without_leaks"]["images"]
    assert left == 32 - len(split["leaks"]["test_rows"])

    report = (results / "report.html").read_text()
    for words in ("somebody&#39;s own", "Without a single real label", "With fewer labels"):
        assert words in report

    few = results / "models/D4-few/seed-0"
    run = json.loads((few / "run.json").read_text())
    assert run["start_from"]["model"] == "D4-pretrained"
    traced = project.run("equimorph", "provenance", f"{few}/model.safetensors").stdout
    for rule in ("train:", "pretrain:", "simulate_pretraining:", "import_hdf5:", "split:"):
        assert f"\n{rule} 1 job" in traced
    assert "files on the way are not those that were recorded" not in traced

    # Another pretraining image is another pretraining and what follows from it, nothing else.
    again = {**STUDY, "pretrain": {**STUDY["pretrain"], "seed": 1}}
    (project.folder / "own.yaml").write_text(yaml.safe_dump(again))
    planned = project.planned("--configfile", "own.yaml")
    assert planned["simulate_pretraining"] == planned["pretrain"] == 1
    assert planned["train"] == 2
    assert not {"import_hdf5", "convert", "split"} & set(planned)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"data": {"hdf5": {"path": "none.h5"}}}, "none.h5: there is no such file"),
        ({"data": {"hdf5": {"path": "huge.h5"}}}, "huge.h5: not a whole HDF5 file"),
        ({"data": {"hdf5": {"path": "keyless.h5"}}}, "keyless.h5: key 'images': there is no such"),
        ({"data": {"split": {"table": "none.csv"}}}, "none.csv: there is no such file"),
        (
            {"data": {"split": {"protocol": "clean"}}},
            "data.split.table: .* no other protocol",
        ),
        ({"train": {"start_from": "none.safetensors"}}, "start_from: CNN: none.safetensors"),
        (
            {"train": {"overrides": {"D4-few": {"start_from": "pretrained/CNN"}}}},
            "D4-few starts from the pretraining of CNN",
        ),
        ({"pretrain": {"recipe": {"models": ["CNN"]}}}, "pretrain.recipe: unknown key models"),
        ({"pretrain": {"recipe": {"epochs": 0}}}, "config: pretrain.recipe.epochs: 0"),
    ],
)
def test_what_cannot_work_is_refused_before_any_job(project, changes, message):
    with open(project.folder / "huge.h5", "wb") as huge:
        huge.truncate(2**41)  # not to be read: not at all, and not in a dry run
    h5py.File(project.folder / "keyless.h5", "w").close()
    (project.folder / "changes.yaml").write_text(yaml.safe_dump(changes))
    done = project.snakemake("--configfile", "own.yaml", "changes.yaml", "-n", check=False)
    assert done.returncode
    assert re.search(message, done.stdout), done.stdout
    assert "Traceback" not in done.stdout


def test_a_digest_is_checked(project):
    changes = {"data": {"hdf5": {"sha256": "0" * 64}}}
    (project.folder / "changes.yaml").write_text(yaml.safe_dump(changes))
    done = project.snakemake("data", "--configfile", "own.yaml", "changes.yaml", check=False)
    assert "mine.h5: the sha256 is" in done.stdout
    assert not (project.folder / "data/hdf5/raw.h5").exists()
