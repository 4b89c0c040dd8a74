"""Tests of the audit, on small made-up catalogues and on the coordinates of all of Galaxy10."""

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from equimorph.data.audit import audit
from equimorph.data.classes import GALAXY10_CLASSES, GALAXY10_COUNTS
from equimorph.errors import InputError
from tests.conftest import ROOT

WORKFLOW = ROOT / "workflow"
NAN = float("nan")


def table(label, ra, dec, redshift=0.1):
    return pd.DataFrame(
        {
            "index": range(len(label)),
            "label": label,
            "class_name": [f"class {number}" for number in label],
            "ra": np.asarray(ra, float),
            "dec": np.asarray(dec, float),
            "redshift": redshift,
            "pxscale": 0.262,
        }
    )


# 0 and 1 at one position with two labels, 2 and 3 at one with the same, 4 is 4" from 3, 5 unknown.
SMALL = table(
    [1, 0, 0, 0, 1, 1],
    [10, 10, 0, 360, 0, NAN],
    [20, 20, 5, 5, 5 + 4 / 3600, NAN],
    [0.1, NAN, 0.2, 0.3, 0.4, NAN],
)


def run_script(*arguments):
    return subprocess.run(
        [sys.executable, WORKFLOW / "scripts/data/audit.py", *map(str, arguments)],
        env={**os.environ, "PYTHONPATH": str(WORKFLOW)},
        capture_output=True,
        text=True,
    )


def test_every_count_of_a_small_catalogue():
    report, neighbours = audit(SMALL, 2, radius_arcsec=67)
    assert report["images"] == 6
    assert report["classes"] == ["class 0", "class 1"]
    assert report["class_counts"] == [3, 3]
    assert report["same_position"] == {
        "pairs": 2,
        "conflicting": 1,
        "conflicts": [{"labels": [0, 1], "pairs": 1}],
    }
    assert report["neighbours"][0] == {"radius_arcsec": 3.0, "pairs": 2, "images": 4}
    assert report["neighbours"][1] == {"radius_arcsec": 5.0, "pairs": 4, "images": 5}
    assert report["neighbours"][-1] == {"radius_arcsec": 67.0, "pairs": 4, "images": 5}
    assert report["missing"] == {"coordinates": 1, "redshift": 2}
    assert report["redshift_equal_to_dec"] == 0
    assert len(report["warnings"]) == 3
    assert neighbours[["index_a", "index_b"]].to_numpy().tolist() == [
        [0, 1],
        [2, 3],
        [2, 4],
        [3, 4],
    ]
    assert neighbours["label_a"].tolist() == [1, 0, 0, 0]
    assert neighbours["label_b"].tolist() == [0, 0, 1, 1]
    assert neighbours["separation_arcsec"].tolist() == pytest.approx([0, 0, 4, 4], abs=1e-6)


def test_a_smaller_radius_shortens_the_list_and_is_reported():
    report, neighbours = audit(SMALL, 2, radius_arcsec=2)
    assert len(neighbours) == 2
    assert report["neighbours"][0] == {"radius_arcsec": 2.0, "pairs": 2, "images": 4}
    assert "2 pairs (4 images) lie within 2 arcsec of each other." in report["warnings"]


def test_a_redshift_that_is_the_declination_is_flagged():
    report, _ = audit(SMALL.assign(redshift=SMALL["dec"]), 2)
    assert report["redshift_equal_to_dec"] == 5
    assert any("redshift is a copy of dec" in warning for warning in report["warnings"])


def test_copies_and_blank_images_are_counted_and_named():
    lookalikes = np.array([[0, 1], [2, 3]])
    report, _ = audit(SMALL, 2, 67, lookalikes, [4, 5])
    assert report["lookalikes"] == {
        "pairs": 2,
        "conflicting": 1,
        "conflicts": [{"labels": [0, 1], "pairs": 1}],
    }
    assert report["blank"] == [4, 5]
    assert "2 images are blank: rows 4, 5." in report["warnings"]
    assert (
        "2 pairs are one image, also where it is rotated, reflected or recompressed; 1 of them "
        "carry two different labels." in report["warnings"]
    )


def test_a_clean_catalogue_has_no_warnings():
    report, neighbours = audit(table([0, 1], [1, 2], [3, 4]), 2)
    assert report["warnings"] == []
    assert neighbours.empty


@pytest.mark.parametrize(
    ("n_classes", "message"),
    [(1, "row 0: 1 is not allowed; with 1 classes"), (3, "no image has label 2")],
)
def test_labels_that_do_not_fit_the_classes_are_refused(n_classes, message):
    with pytest.raises(InputError, match=message):
        audit(SMALL, n_classes)


def test_the_script_writes_both_files(tmp_path):
    SMALL.to_csv(tmp_path / "catalogue.csv", index=False)
    outputs = tmp_path / "audit.json", tmp_path / "neighbours.csv"
    (tmp_path / "pairs.csv").write_text("index_a,index_b\n0,1\n")
    (tmp_path / "blank.csv").write_text("index,label\n4,1\n")
    arguments = ["--catalogue", tmp_path / "catalogue.csv", "--radius-arcsec", 67]
    arguments += ["--lookalikes", tmp_path / "pairs.csv", "--blank", tmp_path / "blank.csv"]
    arguments += ["--output-audit", outputs[0], "--output-neighbours", outputs[1]]
    done = run_script(*arguments, "--classes", 2)
    assert done.returncode == 0, done.stderr
    expected = audit(SMALL, 2, lookalikes=np.array([[0, 1]]), blank=[4])[0]
    assert json.loads(outputs[0].read_text()) == expected
    assert outputs[1].read_text().splitlines()[0] == (
        "index_a,label_a,index_b,label_b,separation_arcsec"
    )
    failed = run_script(*arguments, "--classes", 1)
    assert failed.returncode == 1
    assert failed.stderr.startswith("error: ")
    assert "Traceback" not in failed.stderr


@pytest.mark.skipif(
    not os.environ.get("EQUIMORPH_REAL_DATA"),
    reason="EQUIMORPH_REAL_DATA does not name the folder of the real sample",
)
def test_galaxy10_has_59_conflicting_duplicates_and_236_neighbours():
    path = Path(os.environ["EQUIMORPH_REAL_DATA"]).parent / "galaxy10_coordinates.csv"
    if not path.exists():
        pytest.skip(f"{path.name} does not lie beside the folder EQUIMORPH_REAL_DATA")
    rows = pd.read_csv(path)
    galaxies = table(rows["label"], rows["ra"], rows["dec"])
    galaxies["class_name"] = [GALAXY10_CLASSES[label] for label in rows["label"]]
    report, neighbours = audit(galaxies, 10)
    assert report["class_counts"] == list(GALAXY10_COUNTS)
    assert report["same_position"]["pairs"] == report["same_position"]["conflicting"] == 59
    assert report["same_position"]["conflicts"][0] == {"labels": [0, 7], "pairs": 19}
    assert sum(kind["pairs"] for kind in report["same_position"]["conflicts"]) == 59
    counts = {n["radius_arcsec"]: n["pairs"] for n in report["neighbours"]}
    assert counts == {3: 65, 5: 77, 10: 126, 20: 167, 33.5: 182, 67: 236}
    assert report["neighbours"][-1]["images"] == 460
    assert len(neighbours) == 236
