"""Tests of the degraded test sets: moments, geometry, and one random stream per image."""

import json
import os
import runpy
import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from scipy.ndimage import gaussian_filter

from equimorph.errors import InputError
from equimorph.robustness.degradations.noise import GALAXY10_GAIN
from equimorph.robustness.degrade import degrade
from equimorph.robustness.pixels import mean_value
from equimorph.study.conditions import check_spec
from tests.conftest import ROOT

WORKFLOW = ROOT / "workflow"
SCRIPT = WORKFLOW / "scripts/robustness/degrade.py"
ROTATION = {"kind": "rotation", "seed": 7}
PHYSICAL = {"kind": "noise", "formula": "physical", "level": 0.5, "seed": 7}
LEGACY = {"kind": "noise", "formula": "legacy", "level": 0.25, "seed": 7}
RESOLUTION = {"kind": "resolution", "scale": 0.5}
ALL = [
    {"kind": "none"},
    ROTATION,
    {"kind": "rotation", "angle": 33.0},
    PHYSICAL,
    LEGACY,
    RESOLUTION,
]


def smooth_images(n, size, seed=0):
    """Return blurred noise that fills the grey scale: structure at a few pixels, no edges."""
    noise = np.random.default_rng(seed).normal(size=(n, size, size, 3))
    smooth = gaussian_filter(noise, (0, 3, 3, 0))
    return np.clip(128 + 200 * smooth / np.abs(smooth).max() / 2, 0, 255).astype(np.uint8)


def circle(size, margin=0.0):
    """Mark the pixels whose centre is in the inscribed circle, less a margin."""
    axis = np.arange(size) - (size - 1) / 2
    return np.hypot(axis[:, None], axis) <= (size - 1) / 2 - margin


def flat(level, n=4, size=128):
    return np.full((n, size, size, 3), level, np.uint8)


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


# Rotation


@settings(max_examples=20, deadline=None)
@given(st.integers(-9, 9), st.sampled_from([16, 17]))
def test_multiples_of_90_degrees_only_move_pixels(quarters, size):
    images = np.random.default_rng(0).integers(0, 256, (2, size, size, 3), dtype=np.uint8)
    rotated = degrade(images, np.arange(2), kind="rotation", angle=90 * quarters)
    assert np.array_equal(rotated, np.rot90(images, quarters, axes=(1, 2)))


def test_four_quarters_are_nothing():
    images = rotated = smooth_images(2, 32)
    for _ in range(4):
        rotated = degrade(rotated, np.arange(2), kind="rotation", angle=90.0)
    assert np.array_equal(rotated, images)


@pytest.mark.parametrize("size", [64, 65])
@pytest.mark.parametrize("angle", [0, 90, 180, 270])
def test_interpolation_joins_the_exact_rotations(size, angle):
    # An angle next to a multiple of 90 goes through the splines: same centre, same direction.
    images = smooth_images(2, size)
    near = degrade(images, np.arange(2), kind="rotation", angle=angle + 1e-7)
    exact = np.rot90(images, angle // 90, axes=(1, 2))
    assert np.array_equal(near[:, circle(size)], exact[:, circle(size)])


@pytest.mark.parametrize("size", [64, 65])
def test_a_radially_symmetric_image_stays(size):
    axis = np.arange(size) - (size - 1) / 2
    profile = 250 * np.exp(-(axis[:, None] ** 2 + axis**2) / (2 * (size / 6) ** 2))
    images = np.repeat(np.rint(profile)[None, ..., None], 3, axis=-1).astype(np.uint8)
    for index in range(5):
        rotated = degrade(images, np.array([index]), **ROTATION)
        difference = np.abs(rotated.astype(int) - images)[:, circle(size)]
        assert difference.max() <= 2


def test_there_and_back_is_nearly_the_image():
    images = smooth_images(2, 96)
    there = degrade(images, np.arange(2), kind="rotation", angle=33.0)
    back = degrade(there, np.arange(2), kind="rotation", angle=-33.0)
    inside = circle(96, margin=3)
    assert np.abs(back.astype(int) - images)[:, inside].max() <= 3
    assert np.abs(there.astype(int) - images)[:, inside].max() > 50


@pytest.mark.parametrize("size", [48, 49])
def test_no_pixel_in_the_circle_is_invented(size):
    # On a constant image any fill that reaches into the circle shows.
    images = flat(200, n=8, size=size)
    rotated = degrade(images, np.arange(8), **ROTATION)
    assert (rotated[:, circle(size)] == 200).all()
    corner = rotated[:, [0, 0, -1, -1], [0, -1, 0, -1]]
    assert (corner == 0).all()


def test_rotation_keeps_mean_and_variance_in_the_circle_and_hardly_clips():
    images = smooth_images(8, 128)
    rotated = degrade(images, np.arange(8), **ROTATION)
    inside = circle(128)
    before, after = images[:, inside].astype(float), rotated[:, inside].astype(float)
    assert np.abs(after.mean(axis=(1, 2)) - before.mean(axis=(1, 2))).max() < 0.25
    assert after.std(axis=1) == pytest.approx(before.std(axis=1), rel=0.01)
    assert ((after == 0) | (after == 255)).mean() < 1e-4


def test_random_angles_are_uniform():
    # A bright spot on the x-axis: where it lands tells the angle.
    image = np.zeros((1, 65, 65, 3), np.uint8)
    image[0, 31:34, 55:58] = 255
    rotated = degrade(np.repeat(image, 400, axis=0), np.arange(400), **ROTATION)[..., 0] / 255.0
    axis = np.arange(65) - 32
    x, y = (rotated * axis).sum(axis=(1, 2)), -(rotated * axis[:, None]).sum(axis=(1, 2))
    angle = np.degrees(np.arctan2(y, x)) % 360
    expected = np.random.default_rng([7, 0]).uniform(0, 360)
    assert angle[0] == pytest.approx(expected, abs=0.5)
    counts, _ = np.histogram(angle, bins=8, range=(0, 360))
    assert ((counts - 50) ** 2 / 50).sum() < 24.3  # chi-squared of 7 degrees, 0.1 %


# Noise


@pytest.mark.parametrize("level", [0.25, 0.5, 0.75])
def test_legacy_noise_has_the_published_mean_variance_and_clipping(level):
    mean, background = 37.266, 30
    noisy = degrade(flat(background), np.arange(4), mean=mean, **{**LEGACY, "level": level})
    rate = mean / (1 - level) - mean
    assert rate == pytest.approx({0.25: 12.42, 0.5: 37.27, 0.75: 111.80}[level], abs=0.01)
    added = noisy.astype(float) - background
    n = added.size
    assert added.mean() == pytest.approx(rate, abs=5 * np.sqrt(rate / n))
    assert added.var() == pytest.approx(rate, rel=5 * np.sqrt(2.1 / n))
    assert (noisy == 255).mean() == 0
    # A bright area saturates: nothing wraps around.
    bright = degrade(flat(250), np.arange(4), mean=mean, **{**LEGACY, "level": 0.75})
    assert (bright == 255).all()


def test_legacy_noise_takes_the_mean_of_what_it_is_given():
    images = np.concatenate([flat(10), flat(50)])
    noisy = degrade(images, np.arange(8), **{**LEGACY, "level": 0.5}).astype(float)
    assert mean_value(images) == 30
    assert noisy[:4].mean() - 10 == pytest.approx(30, abs=0.1)
    assert noisy[4:].mean() - 50 == pytest.approx(30, abs=0.1)
    assert np.array_equal(noisy, degrade(images, np.arange(8), mean=30, **{**LEGACY, "level": 0.5}))


@pytest.mark.parametrize("grey", [5, 34, 60])
@pytest.mark.parametrize("level", [0.25, 0.5, 0.75])
def test_photon_noise_has_the_variance_of_the_shorter_exposure(level, grey):
    noisy = degrade(flat(grey), np.arange(4), **{**PHYSICAL, "level": level}).astype(float)
    k, s = GALAXY10_GAIN, 1 - level
    added = grey / k * (1 / s**2 - 1)
    # The signal-to-noise ratio with this on top of the image's own photon noise is s times its own.
    assert np.sqrt((grey / k) / (grey / k + added)) == pytest.approx(s)
    clipped = (noisy == 255).mean()
    assert clipped < {0.25: 1e-6, 0.5: 1e-3, 0.75: 5e-3}[level]
    assert noisy.mean() == pytest.approx(grey, abs=0.3)
    # Rounding adds 1/12; what saturates takes a few per cent off the widest.
    assert noisy.var() == pytest.approx(added, rel=0.02 if clipped < 1e-4 else 0.05)


def test_photon_noise_has_no_offset_and_grows_with_the_level():
    images = smooth_images(4, 64) // 3
    spread = []
    for level in (0.25, 0.5, 0.75):
        noisy = degrade(images, np.arange(4), **{**PHYSICAL, "level": level}).astype(float)
        assert noisy.mean() == pytest.approx(images.mean(), rel=0.01)
        spread.append((noisy - images).std())
    assert spread == pytest.approx(
        [np.sqrt(images.mean() / GALAXY10_GAIN * f) for f in (7 / 9, 3, 15)], rel=0.05
    )
    black = flat(0)
    assert np.array_equal(degrade(black, np.arange(4), **PHYSICAL), black)


def test_photon_noise_takes_another_gain():
    quiet = degrade(flat(40), np.arange(4), **PHYSICAL, gain=100)
    assert quiet.astype(float).var() == pytest.approx(40 / 100 * 3 + 1 / 12, rel=0.02)


# Resolution


@pytest.mark.parametrize("size", [64, 65, 256])
@pytest.mark.parametrize("scale", [0.75, 0.5, 0.25])
def test_resolution_is_the_resampling_of_pillow(size, scale):
    image = smooth_images(1, size)[0]
    image[10:20, 5:30] = 255
    between = round(scale * size)
    expected = []
    for channel in np.moveaxis(image, -1, 0).astype(np.float32):
        small = Image.fromarray(channel).resize((between, between), Image.Resampling.BILINEAR)
        expected.append(np.asarray(small.resize((size, size), Image.Resampling.BILINEAR)))
    found = degrade(image[None], np.array([0]), kind="resolution", scale=scale)[0]
    assert np.abs(found - np.stack(expected, axis=-1)).max() <= 0.5 + 1e-3


@pytest.mark.parametrize("scale", [0.75, 0.5, 0.25, 0.01])
@pytest.mark.parametrize("size", [64, 65])
def test_resolution_has_no_preferred_direction(size, scale):
    images = smooth_images(2, size)
    images[:, 3:9, 20:50] = 255
    spec = {"kind": "resolution", "scale": scale}
    blurred = degrade(images, np.arange(2), **spec).astype(int)
    rotated = degrade(np.rot90(images, axes=(1, 2)), np.arange(2), **spec)
    mirrored = degrade(images[:, :, ::-1], np.arange(2), **spec)
    # One level where a value lies between two.
    assert np.abs(np.rot90(blurred, axes=(1, 2)) - rotated).max() <= 1
    assert np.abs(blurred[:, :, ::-1] - mirrored).max() <= 1


def test_resolution_keeps_the_mean_and_lowers_the_variance_step_by_step():
    images = np.random.default_rng(0).integers(0, 256, (2, 64, 64, 3), dtype=np.uint8)
    variance = [images.var()]
    for scale in (0.75, 0.5, 0.25):
        blurred = degrade(images, np.arange(2), kind="resolution", scale=scale)
        assert blurred.mean() == pytest.approx(images.mean(), abs=1)
        assert ((blurred == 0) | (blurred == 255)).mean() < 0.01
        variance.append(blurred.var())
    assert variance == sorted(variance, reverse=True)
    assert variance[1] < 0.6 * variance[0]
    assert np.array_equal(degrade(flat(7), np.arange(4), **RESOLUTION), flat(7))


# What is refused


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ({}, "kind None: allowed are none, noise, resolution, rotation"),
        ({"kind": "blur"}, "kind 'blur'"),
        ({"kind": "none", "seed": 1}, "it has no keys; given are seed"),
        ({"kind": "rotation"}, "needed are seed or angle, allowed are angle, seed"),
        ({"kind": "rotation", "angle": "90"}, "angle '90': allowed is a finite number"),
        ({"kind": "rotation", "angle": float("inf")}, "angle inf"),
        ({"kind": "rotation", "seed": -1}, "seed -1: allowed is an integer from 0 up"),
        ({"kind": "rotation", "seed": True}, "seed True"),
        ({"kind": "rotation", "seed": 1.5}, "seed 1.5"),
        ({"kind": "noise", "level": 0.5, "seed": 1}, "needed are formula, level, seed"),
        ({**PHYSICAL, "formula": "gauss"}, "formula 'gauss': allowed is one of physical, legacy"),
        ({**PHYSICAL, "level": 1}, "level 1: allowed is a number from 0 to below 1"),
        ({**PHYSICAL, "gain": 0}, "gain 0"),
        ({**PHYSICAL, "snr": 3}, "allowed are formula, gain, level, seed"),
        ({"kind": "resolution", "scale": 0}, "scale 0: allowed is a number above 0, up to 1"),
        ({"kind": "resolution", "scale": 1.5}, "scale 1.5"),
        ({"kind": "resolution", "scale": None}, "scale None"),
    ],
)
def test_a_wrong_spec_is_named(spec, message):
    with pytest.raises(InputError, match=message):
        check_spec(spec)


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


# The script


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
        ("[]", "allowed is a JSON object"),
        ('{"kind": "resolution"}', "needed are scale"),
    ],
)
def test_the_script_says_what_is_wrong(tmp_path, spec, message):
    np.save(tmp_path / "images.npy", smooth_images(5, 16))
    (tmp_path / "split.csv").write_text("subset,index,label\ntest,5,0\n")
    main = runpy.run_path(str(SCRIPT))["main"]
    arguments = ["--images", tmp_path / "images.npy", "--split", tmp_path / "split.csv"]
    arguments += ["--specification", spec, "--output", tmp_path / "out.npy"]
    with pytest.raises(InputError, match=message):
        main(list(map(str, arguments)))
    assert not (tmp_path / "out.npy").exists()
