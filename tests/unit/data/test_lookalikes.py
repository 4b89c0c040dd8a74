"""Tests of the search for equal and blank images: copies are found, other galaxies are not."""

import io
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from equimorph.data.lookalikes import (
    find_lookalikes,
    fingerprints,
    is_blank,
    read_blank,
    read_lookalikes,
    shrink,
)
from equimorph.data.raw import write_raw
from equimorph.errors import InputError
from equimorph.simulation.simulate import simulate
from tests.conftest import ROOT

SCRIPT = ROOT / "workflow/scripts/data/find_lookalikes.py"
SIMILARITY = 0.8  # the default
TWINS = (11828, 14447)  # rows of Galaxy10 that are one image, with two labels


def pairs(images: np.ndarray, similarity: float = SIMILARITY) -> list[list[int]]:
    return find_lookalikes(fingerprints(shrink(images)), similarity)[0].tolist()


def jpeg(image: np.ndarray, quality: int) -> np.ndarray:
    buffer = io.BytesIO()
    Image.fromarray(np.ascontiguousarray(image)).save(buffer, "JPEG", quality=quality)
    return np.asarray(Image.open(buffer).convert("RGB"))


def resampled(image: np.ndarray, share: float) -> np.ndarray:
    side = len(image)
    small = Image.fromarray(image).resize((round(side * share),) * 2, Image.Resampling.LANCZOS)
    return np.asarray(small.resize((side, side), Image.Resampling.BILINEAR))


COPIES = {
    "equal": lambda image: image,
    "turned by 90 degrees": lambda image: np.rot90(image),
    "turned by 180 degrees": lambda image: np.rot90(image, 2),
    "turned by 270 degrees": lambda image: np.rot90(image, 3),
    "reflected": lambda image: image[:, ::-1],
    "transposed": lambda image: image.swapaxes(0, 1),
    "JPEG": lambda image: jpeg(image, 80),
    "turned, as JPEG": lambda image: jpeg(np.rot90(image[::-1]), 80),
    "resampled": lambda image: resampled(image, 0.9),
    "brighter": lambda image: np.clip(1.2 * image + 5.0, 0, 255).astype(np.uint8),
    "grey": lambda image: np.asarray(Image.fromarray(image).convert("L").convert("RGB")),
}


@pytest.fixture(scope="module")
def galaxies() -> np.ndarray:
    """Forty simulated galaxies of 65 px, no two alike."""
    return simulate(4, 65, seed=5).images


def test_no_two_galaxies_are_taken_for_one(galaxies):
    assert pairs(galaxies) == []
    assert pairs(galaxies, 0.5) == []


@pytest.mark.parametrize("change", COPIES.values(), ids=COPIES.keys())
def test_a_copy_is_found(galaxies, change):
    copies = np.stack([change(image) for image in galaxies[::4]])
    expected = [[4 * number, 40 + number] for number in range(10)]
    assert pairs(np.concatenate([galaxies, copies])) == expected


def test_copies_of_copies(galaxies):
    three = [np.rot90(galaxies[7]), galaxies[7, ::-1]]
    assert pairs(np.stack([*galaxies, *three])) == [[7, 40], [7, 41], [40, 41]]


def test_with_a_similarity_of_one_only_equal_images_are_found(galaxies):
    others = [np.rot90(galaxies[3]), resampled(galaxies[5], 0.9)]
    assert pairs(np.stack([*galaxies, *others]), 1.0) == [[3, 40]]


@pytest.mark.parametrize("side", [8, 31, 32, 33, 48, 64, 100])
def test_images_of_any_size(side):
    images = np.random.default_rng(side).integers(0, 256, (20, side, side, 3), np.uint8)
    images[11] = np.rot90(images[2], 3)
    assert pairs(images) == [[2, 11]]


def test_what_all_images_have_in_common_does_not_make_them_alike(galaxies):
    """A round mask, a bright core and a frame."""
    place = np.hypot(*np.meshgrid(*[np.arange(65) - 32] * 2))[..., None]
    images = np.where(place < 28, galaxies, 0)
    images = np.where(place < 4, 255, images).astype(np.uint8)
    images[:, :3] = images[:, -3:] = 200
    assert pairs(images) == []
    copy = np.concatenate([images, np.rot90(images[6:7], 2, (1, 2))])
    assert pairs(copy) == [[6, 40]]


def test_shrinking_keeps_the_light_and_commutes_with_turns():
    images = np.random.default_rng(0).integers(0, 256, (3, 65, 65, 3), np.uint8)
    cells = shrink(images)
    assert cells.shape == (3, 32, 32)
    np.testing.assert_allclose(cells.mean(axis=(1, 2)), images.mean(axis=(1, 2, 3)), rtol=1e-5)
    turned = shrink(np.rot90(images, 1, (1, 2)))
    np.testing.assert_allclose(turned, np.rot90(cells, 1, (1, 2)), rtol=1e-5)


def test_blank_images(galaxies):
    images = np.stack([np.zeros_like(galaxies[0]), np.full_like(galaxies[0], 32), *galaxies])
    images[2] = jpeg(np.full_like(galaxies[0], 200), 75)
    images[3] = 0
    images[3, 30:33, 30:33] = 60  # a galaxy, if a small one
    assert np.flatnonzero(is_blank(images)).tolist() == [0, 1, 2]


def test_the_script_writes_pairs_and_blank_images(galaxies, tmp_path):
    images = np.concatenate([galaxies, galaxies[:3]])
    images[20] = 32
    images[41] = np.rot90(images[41])
    label = np.arange(len(images)) % 3
    number = np.full(len(images), np.nan)
    write_raw(tmp_path / "raw.h5", images, label, number, number, number, number)
    outputs = tmp_path / "pairs.csv", tmp_path / "blank.csv"
    command = [sys.executable, SCRIPT, "--raw", tmp_path / "raw.h5", "--similarity", "0.8"]
    command += ["--output-pairs", outputs[0], "--output-blank", outputs[1]]
    environment = os.environ | {"PYTHONPATH": str(SCRIPT.parents[2])}
    done = subprocess.run(command, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert outputs[0].read_text() == (
        "index_a,label_a,index_b,label_b,similarity\n0,0,40,1,1.0\n1,1,41,2,1.0\n2,2,42,0,1.0\n"
    )
    assert outputs[1].read_text() == "index,label\n20,2\n"
    assert read_lookalikes(outputs[0], 43).tolist() == [[0, 40], [1, 41], [2, 42]]
    assert read_blank(outputs[1], 43).tolist() == [20]
    with pytest.raises(InputError, match=r"pairs.csv: has rows outside 0 to 41"):
        read_lookalikes(outputs[0], 42)
    with pytest.raises(InputError, match=r"blank.csv: not a table with index_a, index_b"):
        read_lookalikes(outputs[1], 43)


def test_tables_without_rows(tmp_path):
    (tmp_path / "pairs.csv").write_text("index_a,label_a,index_b,label_b,similarity\n")
    (tmp_path / "blank.csv").write_text("index,label\n")
    assert read_lookalikes(tmp_path / "pairs.csv", 5).shape == (0, 2)
    assert read_blank(tmp_path / "blank.csv", 5).shape == (0,)


def test_real_galaxies(real_sample: Path):
    """Two of these 101 are one image; copies of 20 are found, at a quality of 50 too."""
    table = pd.read_csv(real_sample / "manifest.csv")
    table = table[table["h5_index"].isin([*table["h5_index"][::10], *TWINS])].reset_index()
    images = np.stack(
        [np.asarray(Image.open(real_sample / path).convert("RGB")) for path in table["path"]]
    )
    twins = table.index[table["h5_index"].isin(TWINS)].tolist()
    assert pairs(images) == [twins]
    copies = np.stack([jpeg(np.rot90(image), 50) for image in images[5:25]])
    found = pairs(np.concatenate([images, copies]))
    assert found == sorted([twins, *([5 + n, len(images) + n] for n in range(20))])
