"""Degradations: reproducible, image by image; and the script that makes a condition."""

import json
import os
import subprocess
import sys

import numpy as np
import pytest

from equimorph.errors import InputError
from equimorph.robustness.degrade import degrade
from equimorph.robustness.pixels import mean_value
from tests.conftest import ROOT
from tests.scripts import load
from tests.unit.robustness.images import LEGACY, PHYSICAL, RESOLUTION, ROTATION, smooth_images

WORKFLOW = ROOT / "workflow"
SCRIPT = WORKFLOW / "scripts/robustness/degrade.py"

ALL = [
    {"kind": "none"},
    ROTATION,
    {"kind": "rotation", "angle": 33.0},
    PHYSICAL,
    LEGACY,
    RESOLUTION,
    {**RESOLUTION, "antialias": False},
    {"kind": "white_pixel", "seed": 7},
]


@pytest.mark.parametrize("spec", ALL, ids=lambda spec: "-".join(map(str, spec.values())))
def test_each_image_is_independent_of_its_company(spec):
    images, indices = smooth_images(6, 33), np.array([3, 1, 40, 41, 5, 1000])
    mean = mean_value(images)
    whole = degrade(images, indices, mean=mean, **spec)
    assert whole.dtype == np.uint8
    assert whole.shape == images.shape
    assert np.array_equal(whole, degrade(images, indices, mean=mean, **spec))
    order = np.array([4, 2, 0, 5, 1, 3])
    assert np.array_equal(degrade(images[order], indices[order], mean=mean, **spec), whole[order])
    parts = [degrade(images[i : i + 1], indices[i : i + 1], mean=mean, **spec) for i in range(6)]
    assert np.array_equal(np.concatenate(parts), whole)


@pytest.mark.parametrize("spec", [ROTATION, PHYSICAL, LEGACY], ids=lambda spec: spec["kind"])
def test_seed_and_index_change_the_draw(spec):
    images = np.repeat(smooth_images(1, 33), 2, axis=0)
    first = degrade(images, np.array([0, 1]), **spec)
    assert not np.array_equal(first[0], first[1])
    other = degrade(images, np.array([0, 1]), **{**spec, "seed": 8})
    assert not np.array_equal(first[0], other[0])


def test_nothing_done_is_the_same_and_the_input_is_left_alone():
    images = smooth_images(2, 20)
    before = images.copy()
    assert np.array_equal(degrade(images, np.arange(2), kind="none"), images)
    for spec in ALL:
        degrade(images, np.arange(2), **spec)
    assert np.array_equal(images, before)
    for formula in ("legacy", "physical"):
        nothing = {"kind": "noise", "formula": formula, "level": 0, "seed": 1}
        assert np.array_equal(degrade(images, np.arange(2), **nothing), images)
    assert np.array_equal(degrade(images, np.arange(2), kind="resolution", scale=1), images)


@pytest.mark.parametrize(
    ("images", "indices"),
    [
        (np.zeros((2, 8, 8, 3)), np.arange(2)),
        (np.zeros((2, 8, 9, 3), np.uint8), np.arange(2)),
        (np.zeros((8, 8, 3), np.uint8), np.arange(8)),
        (np.zeros((2, 8, 8, 3), np.uint8), np.arange(3)),
    ],
)
def test_wrong_arrays_are_named(images, indices):
    with pytest.raises(InputError, match="allowed is"):
        degrade(images, indices, kind="none")


def run_script(folder, spec):
    command = [sys.executable, SCRIPT, "--specification", spec]
    command += ["--images", folder / "images.npy", "--split", folder / "split.csv"]
    command += ["--output", folder / "out.npy"]
    environment = {**os.environ, "PYTHONPATH": str(WORKFLOW)}
    return subprocess.run(map(str, command), env=environment, capture_output=True, text=True)


def test_the_script_streams_the_test_rows_in_order(tmp_path):
    images = smooth_images(180, 16)
    np.save(tmp_path / "images.npy", images)
    rows = np.sort(np.random.default_rng(1).choice(180, 150, replace=False))
    lines = ["subset,index,label", *(f"test,{row},0" for row in rows)]
    (tmp_path / "split.csv").write_text("\n".join([*lines, "train,3,0"]) + "\n")
    done = run_script(tmp_path, json.dumps(LEGACY))
    assert done.returncode == 0, done.stderr
    # Blocks see the mean of all test images, not their own.
    expected = degrade(images[rows], rows, **LEGACY)
    assert np.array_equal(np.load(tmp_path / "out.npy", mmap_mode="r"), expected)
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "images.npy",
        "out.npy",
        "split.csv",
    ]


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ('{"kind": "none"}', "test row 5 is not in .*holds 5 images"),
        ("{kind: none}", "not JSON"),
        ("[]", "no degradation: allowed are one, or a list"),
        ("[3]", "allowed is a JSON object"),
        ("3", "allowed is a JSON object"),
        ('[{"kind": "white_pixel", "seed": 1}, {"kind": "resolution"}]', "number 2: .* are scale"),
        ('{"kind": "resolution"}', "needed are scale"),
    ],
)
def test_the_script_says_what_is_wrong(tmp_path, spec, message):
    np.save(tmp_path / "images.npy", smooth_images(5, 16))
    (tmp_path / "split.csv").write_text("subset,index,label\ntest,5,0\n")
    main = load("workflow/scripts/robustness/degrade.py").main
    arguments = ["--images", tmp_path / "images.npy", "--split", tmp_path / "split.csv"]
    arguments += ["--specification", spec, "--output", tmp_path / "out.npy"]
    with pytest.raises(InputError, match=message):
        main(list(map(str, arguments)))
    assert not (tmp_path / "out.npy").exists()


def test_steps_follow_one_another_with_draws_of_their_own(tmp_path):
    """S1's noise lies on rotated copies, and its mean is theirs."""
    images = smooth_images(150, 16)
    np.save(tmp_path / "images.npy", images)
    lines = ["subset,index,label", *(f"test,{row},0" for row in range(150))]
    (tmp_path / "split.csv").write_text("\n".join(lines) + "\n")
    noise = {**LEGACY, "seed": ROTATION["seed"]}
    done = run_script(tmp_path, json.dumps([ROTATION, noise]))
    assert done.returncode == 0, done.stderr
    rotated = degrade(images, np.arange(150), **ROTATION)
    mean = mean_value(rotated)
    assert abs(mean - mean_value(images)) > 1
    expected = degrade(rotated, np.arange(150), mean=mean, step=1, **noise)
    found = np.load(tmp_path / "out.npy")
    assert np.array_equal(found, expected)
    # The second step does not draw what it would draw as the first.
    assert not np.array_equal(found, degrade(rotated, np.arange(150), mean=mean, **noise))


def test_a_list_of_one_is_that_one(tmp_path):
    images = smooth_images(5, 16)
    np.save(tmp_path / "images.npy", images)
    (tmp_path / "split.csv").write_text("subset,index,label\ntest,1,0\ntest,4,0\n")
    assert run_script(tmp_path, json.dumps([PHYSICAL])).returncode == 0
    rows = np.array([1, 4])
    assert np.array_equal(np.load(tmp_path / "out.npy"), degrade(images[rows], rows, **PHYSICAL))
