"""Tests of the check of raw files."""

import hashlib
import json
import os
import subprocess
import sys
from pathlib import Path

import h5py
import numpy as np
import pytest

from equimorph.data.raw import write_raw
from equimorph.data.verify import verify
from equimorph.errors import InputError
from tests.conftest import ROOT

SCRIPT = ROOT / "workflow/scripts/data/verify.py"
N = 6


@pytest.fixture
def raw(tmp_path) -> Path:
    """A sound raw file: six 8-pixel images, labels 0, 0, 1, 1, 1, 2, one unknown position."""
    path = tmp_path / "raw.h5"
    images = np.random.default_rng(0).integers(0, 256, (N, 8, 8, 3), np.uint8)
    ra = np.array([0.0, 360.0, 10, 20, 30, np.nan])
    dec = np.array([-90.0, 90.0, 1, 2, 3, np.nan])
    unknown = np.full(N, np.nan)
    write_raw(path, images, np.array([0, 0, 1, 1, 1, 2]), ra, dec, unknown, np.full(N, 0.262))
    return path


def replace(raw: Path, key: str, values: np.ndarray | None) -> None:
    """Put other values under a key, or remove it."""
    with h5py.File(raw, "a") as file:
        if key in file:
            del file[key]
        if values is not None:
            file[key] = values


def with_value(key: str, row: int, value: float):
    """Return a change of one entry of a column."""

    def change(raw: Path) -> None:
        with h5py.File(raw, "a") as file:
            file[key][row] = value

    return change


def with_array(key: str, values: np.ndarray | None):
    return lambda raw: replace(raw, key, values)


def test_sound_file_is_described(raw):
    content = raw.read_bytes()
    digest = hashlib.sha256(content).hexdigest()
    expected = {
        "sha256": digest,
        "bytes": len(content),
        "images": N,
        "shape": [8, 8, 3],
        "class_counts": [2, 3, 1],
    }
    assert verify(raw, 3) == expected
    assert verify(raw, 3, digest.upper(), [2, 3, 1]) == expected
    assert verify(raw, 5)["class_counts"] == [2, 3, 1, 0, 0]
    json.dumps(expected)


def test_single_precision_columns_are_taken(raw):
    replace(raw, "redshift", np.zeros(N, np.float32))
    assert verify(raw, 3)["images"] == N


def at_origin(path):
    with_value("ra", 3, 0.0)(path)
    with_value("dec", 3, 0.0)(path)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (with_array("dec", None), "'dec'.*found are.*'ans'.*needed"),
        (with_array("images", np.zeros((N, 8, 8, 3), np.float32)), "'images'.*float32.*uint8"),
        (with_array("images", np.zeros((N, 8, 9, 3), np.uint8)), r"'images'.*\(6, 8, 9, 3\)"),
        (with_array("images", np.zeros((N, 8, 8, 1), np.uint8)), r"'images'.*\(6, 8, 8, 1\)"),
        (with_array("images", np.zeros((N, 8, 8), np.uint8)), r"'images'.*\(6, 8, 8\)"),
        (with_array("images", np.zeros((0, 8, 8, 3), np.uint8)), r"'images'.*\(0, 8, 8, 3\)"),
        (with_array("images", np.uint8(1)), r"'images'.*\(\)"),
        (with_array("ans", np.zeros(N - 1, np.uint8)), r"'ans'.*\(5,\).*must be \(6,\)"),
        (with_array("dec", np.zeros((N, 1))), r"'dec'.*\(6, 1\).*must be \(6,\)"),
        (with_array("ans", np.zeros(N)), "'ans'.*float64.*must be uint8"),
        (with_array("ra", np.zeros(N, np.int64)), "'ra'.*int64.*must be float64"),
        (with_value("ans", 4, 3), "'ans': row 4 has label 3; allowed are the integers 0 to 2"),
        (with_value("ra", 1, 360.5), "'ra': row 1 is 360.5; allowed.*from 0 to 360"),
        (with_value("ra", 2, -0.5), "'ra': row 2 is -0.5"),
        (with_value("dec", 3, 90.5), "'dec': row 3 is 90.5; allowed.*from -90 to 90"),
        (with_array("h5_index", np.zeros(N)), "'h5_index'.*float64.*must be an integer"),
        (with_array("h5_index", np.zeros(N, int)), "'h5_index'.*stands twice"),
        (with_array("h5_index", np.arange(N) - 1), "'h5_index'.*negative"),
        (with_value("redshift", 0, np.inf), "'redshift': row 0 is inf"),
        (with_value("ra", 2, np.nan), "'ra' and 'dec': row 2 has only one"),
        (at_origin, "'ra' and 'dec': both are 0 in 1 rows, the first is 3; no galaxy is there"),
    ],
)
def test_faults_are_named(raw, change, message):
    change(raw)
    with pytest.raises(InputError, match=message) as caught:
        verify(raw, 3)
    assert str(raw) in str(caught.value)


@pytest.fixture
def sky(tmp_path):
    """Write a file of one's own with these positions; return its path."""

    def write(ra, dec, units=None):
        path, n = tmp_path / "own.h5", len(ra)
        images = np.zeros((n, 8, 8, 3), np.uint8)
        write_raw(path, images, np.arange(n) % 3, ra, dec, *np.full((2, n), np.nan))
        if units is not None:
            with h5py.File(path, "a") as file:
                for key in ("ra", "dec"):
                    file[key].attrs["units"] = units
        return path

    return write


def test_positions_of_ones_own_file_are_in_degrees(sky):
    draw = np.random.default_rng(0)
    ra, dec = draw.uniform(0.1, 360, 60), draw.uniform(-30, 40, 60)
    assert verify(sky(ra, dec), 3, own=True)["images"] == 60
    message = "keys 'ra' and 'dec': ra goes from .* as hours would.* ra by 15, or give both arrays"
    for units in (None, "h", b"h", 3.0, np.arange(2)):
        with pytest.raises(InputError, match=message):
            verify(sky(ra / 15, dec, units), 3, own=True)
    for units in ("deg", np.bytes_(b"deg")):
        assert verify(sky(ra / 15, dec, units), 3, own=True)["images"] == 60
    with pytest.raises(InputError, match="as radians would"):
        verify(sky(*np.deg2rad([ra, dec])), 3, own=True)
    assert verify(sky(ra / 15, dec), 3)["images"] == 60  # of a manifest that says degrees


def test_a_position_that_stands_for_unknown_is_refused(sky):
    place = np.full(5, 99.0), np.full(5, -9.0)
    with pytest.raises(InputError, match="'dec': 5 images of 3 classes have the same position"):
        verify(sky(*place), 3, own=True)


def test_group_in_place_of_an_array(raw):
    with h5py.File(raw, "a") as file:
        del file["ra"]
        file.create_group("ra")
    with pytest.raises(InputError, match="key 'ra': there is no such array"):
        verify(raw, 3)


def test_other_digest(raw):
    with pytest.raises(InputError, match=f"must be {'0' * 64}"):
        verify(raw, 3, "0" * 64)


@pytest.mark.parametrize("counts", [[3, 2, 1], [2, 3], [2, 3, 1, 0]])
def test_other_class_counts(raw, counts):
    with pytest.raises(InputError, match=r"are \[2, 3, 1\], they must be"):
        verify(raw, 3, class_counts=counts)


@pytest.mark.parametrize("n_classes", [0, 257])
def test_impossible_number_of_classes(raw, n_classes):
    with pytest.raises(InputError, match="allowed are 1 to 256"):
        verify(raw, n_classes)


def test_file_that_is_cut_short(raw):
    content = raw.read_bytes()
    raw.write_bytes(content[: len(content) * 3 // 4])
    with pytest.raises(InputError, match="not a whole HDF5 file.*truncated"):
        verify(raw, 3)


def test_file_that_is_not_hdf5(raw):
    raw.write_text("<html></html>")
    with pytest.raises(InputError, match="not a whole HDF5 file"):
        verify(raw, 3)


def test_absent_file(tmp_path):
    with pytest.raises(InputError, match="no such file"):
        verify(tmp_path / "raw.h5", 3)


def test_script(raw, tmp_path):
    output = tmp_path / "verified.json"
    command = [sys.executable, SCRIPT, "--raw", raw, "--classes", "3", "--output", output]
    command += ["--class-counts", "2", "3"]
    environment = os.environ | {"PYTHONPATH": str(SCRIPT.parents[2])}
    done = subprocess.run([*command, "1"], env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert json.loads(output.read_text()) == verify(raw, 3)
    output.unlink()
    done = subprocess.run([*command, "2"], env=environment, capture_output=True, text=True)
    assert done.returncode == 1 and not output.exists()
    assert done.stderr.startswith("error: ") and "Traceback" not in done.stderr
