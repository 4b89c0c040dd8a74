"""What may be given to be classified, and what is said about everything else."""

import io

import numpy as np
import pytest
import torch
from PIL import Image

from equimorph.classify.images import galaxy_of, read_galaxies, read_galaxy
from equimorph.errors import InputError
from equimorph.sky.fluxes import to_rgb

PIXELS = np.random.default_rng(0).integers(0, 256, (12, 12, 3), dtype=np.uint8)
FLUXES = np.random.default_rng(1).normal(0.02, 0.02, (3, 12, 12)).astype(np.float32)


def test_one_or_many():
    assert len(read_galaxies(PIXELS)) == 1
    assert len(read_galaxies(np.stack([PIXELS, PIXELS]))) == 2
    assert len(read_galaxies(torch.from_numpy(np.stack([PIXELS, PIXELS])))) == 2
    assert len(read_galaxies(one for one in [PIXELS, Image.fromarray(PIXELS)])) == 2
    assert read_galaxies([]) == []


def test_channels_first_and_last_are_one_image():
    for given in (PIXELS, PIXELS.transpose(2, 0, 1), torch.from_numpy(PIXELS)):
        (galaxy,) = read_galaxies(given)
        assert np.array_equal(galaxy.pixels, PIXELS)


@pytest.mark.parametrize("given", [FLUXES, torch.from_numpy(FLUXES), FLUXES.astype(np.float64)])
def test_floats_are_fluxes(given):
    (galaxy,) = read_galaxies(given, pixel_scale=0.5)
    assert np.abs(galaxy.pixels.astype(int) - to_rgb(FLUXES, 0.5)).max() <= 1
    assert galaxy.pixel_scale == 0.5


def test_a_files_content_tells_its_kind():
    for kind in ("PNG", "TIFF", "BMP"):
        file = io.BytesIO()
        Image.fromarray(PIXELS).save(file, kind)
        assert np.array_equal(galaxy_of("any.txt", file.getvalue()).pixels, PIXELS)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (3, "image 0: a int is no image; allowed are a path"),
        (None, "image 0: a NoneType is no image"),
        ([PIXELS, {"a": 1}], "image 1: a dict is no image"),
        (PIXELS.astype(np.float32), r"float32 of shape \(12, 12, 3\) is no image; allowed are"),
        (PIXELS[:, :, :2], r"uint8 of shape \(12, 12, 2\) is no image"),
        (PIXELS.astype(np.int64), r"int64 of shape \(12, 12, 3\) is no image"),
        (PIXELS[:9], "image 0: 12x9 px; allowed are square images of 8 to 4096 px"),
        (PIXELS[:2, :2], "2x2 px; allowed are square images"),
        (FLUXES * np.nan, "fluxes are not finite"),
        ("nowhere.jpg", "nowhere.jpg: there is no such file"),
        ("a\0b", "there is no such file|cannot be read"),
    ],
)
def test_anything_else_is_refused_by_its_name_or_number(given, message):
    with pytest.raises(InputError, match=message):
        read_galaxies(given)


def test_a_damaged_file_is_refused(tmp_path):
    path = tmp_path / "bad.jpg"
    path.write_bytes(b"\xff\xd8\xff\xe0" + 50 * b"x")
    with pytest.raises(InputError, match="not a readable image"):
        read_galaxy(path)
    with pytest.raises(InputError, match="there is no such file"):
        read_galaxy(tmp_path)


def test_an_image_of_pillow_is_held_to_the_same_as_a_file():
    deep = Image.fromarray(np.full((12, 12), 40_000, np.uint16))
    with pytest.raises(InputError, match="more than 8 bits per channel"):
        read_galaxies(deep)
    with pytest.raises(InputError, match="more than 8 bits per channel"):
        read_galaxies(Image.new("F", (12, 12)))
    file = io.BytesIO()
    Image.fromarray(PIXELS).save(file, "PNG")
    cut = Image.open(io.BytesIO(file.getvalue()[:150]))
    with pytest.raises(InputError, match="not a readable image"):
        read_galaxies(cut)


def test_a_side_is_checked_before_pixels_are_unpacked(monkeypatch):
    file = io.BytesIO()
    Image.new("RGB", (5000, 4)).save(file, "PNG")
    monkeypatch.setattr(Image.Image, "convert", None)
    with pytest.raises(InputError, match="has 5000x4 px; allowed are sides up to 4096 px"):
        galaxy_of("wide.png", file.getvalue())


def test_brain_floats_are_fluxes_too():
    (galaxy,) = read_galaxies(torch.from_numpy(FLUXES).bfloat16())
    assert galaxy.pixels.shape == (12, 12, 3)
