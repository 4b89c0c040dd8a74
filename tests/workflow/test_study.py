"""The small study from end to end; what one more seed or model runs. Edits: test_traps.py."""

import json
import re
import shutil

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from .conftest import Project

MODELS, SEEDS, CONDITIONS = 3, 2, 3


def test_report_and_metrics(finished):
    metrics = json.loads((finished.folder / "results/demo/metrics.json").read_text())
    split = json.loads((finished.folder / "data/simulated/split-clean.json").read_text())
    assert metrics["split"]["sha256"] == split["sha256"]
    assert metrics["data"]["source"] == "simulated"
    assert list(metrics["models"]) == ["CNN", "C2", "D4"]
    model = metrics["models"]["D4"]
    assert model["group_order"] == 8 and model["seeds"] == [0, 1]
    assert model["parameters"] > 0 and model["macs"] > 0 and model["train_seconds"] > 0
    assert list(model["conditions"]) == ["clean", "rotated", "noise-50"]
    accuracy = model["conditions"]["clean"]["accuracy"]
    assert accuracy["ci95"][0] <= accuracy["mean"] <= accuracy["ci95"][1] and accuracy["n"] == 2
    report = (finished.folder / "results/demo/report.html").read_text()
    assert split["sha256"][:12] in report and "simulated" in report


def test_every_result_names_its_split(finished):
    split = json.loads((finished.folder / "data/simulated/split-clean.json").read_text())
    runs = list((finished.folder / "results/demo/models").glob("*/seed-*/run.json"))
    assert len(runs) == MODELS * SEEDS
    assert {json.loads(run.read_text())["split_sha256"] for run in runs} == {split["sha256"]}


def test_nothing_to_be_done_afterwards(finished):
    assert finished.planned() == {}


def test_snakemakes_own_report(finished, tmp_path):
    finished.snakemake("--report", str(tmp_path / "report.html"))
    text = (tmp_path / "report.html").read_text()
    assert "accuracy_by_order" in text


@pytest.fixture
def copy(finished, tmp_path) -> Project:
    """The finished project at another path, which may be changed."""
    folder = tmp_path / "elsewhere"
    shutil.copytree(finished.folder, folder)
    return Project(folder)


def test_a_copy_elsewhere_has_nothing_to_do(copy):
    assert copy.planned() == {}


def test_data_sets_on_disk_are_sources_of_a_study(copy):
    copy.snakemake("opened", "oversampled")
    made = copy.folder / "work/demo"
    assert {"opened-3.h5", "opened-4.h5"} < {path.name for path in made.iterdir()}
    counts = json.loads((copy.folder / "data/simulated/split-clean.json").read_text())["counts"]
    table = made / "oversampled-split-clean.csv"
    copy.environment["EQUIMORPH_HDF5"] = str(made / "oversampled-split-clean.h5")
    split = {"protocol": "table", "table": str(table), "table_origin": "this test's"}
    copy.edit_config({"data": {"source": "hdf5", "split": split}})
    refused = copy.snakemake("data", check=False)
    assert refused.returncode != 0
    assert "is made by the study demo itself; allowed is another name" in refused.stdout
    copy.edit_config({"study": "own"})
    copy.snakemake("data")
    split = json.loads((copy.folder / "data/hdf5/split-table.json").read_text())["counts"]
    assert split["train"] == [max(counts["train"])] * 10
    assert split["validation"] == counts["validation"] and split["test"] == counts["test"]
    # Of the study that begins with it, one can be made again: nothing of the first is touched.
    copy.snakemake("oversampled")
    assert (copy.folder / "work/own/oversampled-split-table.h5").exists()


def test_a_job_that_ends_lets_snakemake_look_for_others_once(copy):
    sets = [f"work/demo/opened-{radius}.h5" for radius in range(1, 8)]
    said = copy.snakemake(*sets, "--cores", "1", "--verbose").stdout
    jobs = len(re.findall(r"^Finished jobid", said, flags=re.MULTILINE))
    assert jobs == len(sets)
    assert jobs <= said.count("Ready jobs: ") <= jobs + 1


def test_one_more_seed_trains_each_model_once(copy):
    copy.edit_config({"train": {"seeds": [0, 1, 2]}})
    assert copy.planned()["train"] == MODELS


def test_one_more_model_trains_it_alone(copy):
    copy.edit_config({"train": {"models": ["CNN", "C2", "D4", "C4"]}})
    planned = copy.planned()
    assert planned["train"] == SEEDS and planned["measure"] == 1


def test_two_processes_share_a_training(copy):
    run = copy.folder / "results/demo/models/D4/seed-0"
    alone = pd.read_csv(run / "history.csv")
    copy.edit_config({"train": {"world_size": 2}})
    copy.snakemake("results/demo/models/D4/seed-0/run.json")
    assert json.loads((run / "run.json").read_text())["world_size"] == 2
    shared = pd.read_csv(run / "history.csv")
    np.testing.assert_allclose(shared["train_loss"], alone["train_loss"], atol=1e-4)


def announced(done) -> list[str]:
    """Return the lines at the end of a run that say what there is to open."""
    return re.findall(r"^(?:Data|Search|Report): .*$", done.stdout, re.MULTILINE)


def test_a_run_of_the_data_alone_announces_no_report(fresh):
    assert announced(fresh.snakemake("data")) == ["Data: data/simulated"]
    assert not (fresh.folder / "results/demo/report.html").exists()


def test_a_run_announces_what_it_has_made_and_nothing_that_lay_there(copy):
    (copy.folder / "results/demo/report.html").unlink()
    assert announced(copy.snakemake()) == ["Report: results/demo/report.html"]
    assert announced(copy.snakemake()) == []


def test_one_target_runs_only_what_it_needs(fresh):
    target = "results/demo/models/D4/seed-0/model.safetensors"
    planned = fresh.planned(target)
    assert planned == dict.fromkeys(
        ("simulate", "draw", "verify", "convert", "catalogue", "find_lookalikes", "split", "train"),
        1,
    )


BAD = [
    ({"train": {"lr": 0.1}}, "train: unknown key lr; allowed are"),
    ({"train": {"models": ["CNN", "D3"]}}, "group 'D3': allowed are C1, C2"),
    ({"train": {"seeds": []}}, "train.seeds: [] is not allowed"),
    ({"train": {"learning_rate": "1e-3"}}, "write 0.001 instead"),
    ({"data": {"split": {"test": 0.3}}}, "they must add up to 1"),
    ({"models": {"D4": {"architecture": "cnn"}}}, "two entries define D4"),
]


@pytest.mark.parametrize(("changes", "message"), BAD, ids=[m for _, m in BAD])
@pytest.mark.parametrize("dry", [True, False], ids=["dry", "wet"])
def test_a_bad_config_stops_before_any_job(fresh, changes, message, dry):
    fresh.edit_config(changes)
    done = fresh.snakemake(*(["-n"] if dry else []), check=False)
    assert done.returncode == 1
    assert message in done.stdout
    assert "Traceback" not in done.stdout and "Job stats" not in done.stdout
    assert not (fresh.folder / "data/simulated").exists()


def test_an_image_folder_must_be_named(fresh):
    fresh.environment.pop("EQUIMORPH_REAL_DATA", None)
    fresh.edit_config({"data": {"source": "images"}})
    done = fresh.snakemake("-n", check=False)
    assert done.returncode == 1
    assert "data.images.folder is not set" in done.stdout
    assert not re.search(r"^Traceback", done.stdout, re.M)


def test_images_of_ones_own_are_read_by_one_reader(fresh, tmp_path):
    """The plan sees what the import takes, and nothing of what a wrong manifest names."""
    draw = np.random.default_rng(0)

    def new_image(name):
        Image.fromarray(draw.integers(0, 256, (33, 33, 3), np.uint8)).save(tmp_path / name)

    manifest = tmp_path / "manifest.csv"
    manifest.write_text(
        "Label, Filename, RAJ2000, DEJ2000\n0, a.png, 150.1, 2\n1, b.png, 150.2, 2\n"
    )
    new_image("a.png")
    new_image("b.png")
    fresh.environment["EQUIMORPH_REAL_DATA"] = str(tmp_path)
    fresh.edit_config({"data": {"source": "images", "classes": ["round", "barred"]}})
    target = ("data/images/catalogue.csv",)
    fresh.snakemake(*target)
    found = pd.read_csv(fresh.folder / target[0])
    assert found["ra"].tolist() == [150.1, 150.2] and found["label"].tolist() == [0, 1]
    assert fresh.planned(*target) == {}
    manifest.write_text(manifest.read_text().replace("Label", " class "))
    assert fresh.planned(*target) == {}
    new_image("b.png")
    assert fresh.planned(*target) == {"import_images": 1, "verify": 1, "catalogue": 1}

    with open(tmp_path / "huge.png", "wb") as file:
        file.truncate(2**40)  # takes no space on the disk
    manifest.write_text("path,label\nhuge.png,0\n/dev/zero,1\n")
    done = fresh.snakemake("-n", check=False)
    assert done.returncode == 1 and not re.search(r"^Traceback", done.stdout, re.M)
    assert "row 2 (huge.png): has 1099511627776 bytes" in done.stdout
    assert "row 3 (/dev/zero): leads out of the folder" in done.stdout
