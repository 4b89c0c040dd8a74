"""Tests of the import of an image folder."""

import csv
import hashlib
import math
import os
import struct
import subprocess
import sys
import zlib
from pathlib import Path

import h5py
import numpy as np
import pytest
from PIL import Image

from equimorph.data.classes import GALAXY10_CLASSES
from equimorph.data.images import import_images
from equimorph.data.manifest import read_manifest
from equimorph.data.raw import write_raw
from equimorph.data.verify import verify
from equimorph.errors import InputError
from tests.conftest import ROOT

SCRIPT = ROOT / "workflow/scripts/data/import_images.py"
SIZE = 8
TEN = GALAXY10_CLASSES


def pixels(seed: int, size: int = SIZE) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (size, size, 3), np.uint8)


def save(folder: Path, name: str, array: np.ndarray, mode: str | None = None) -> None:
    image = Image.fromarray(array)
    (image.convert(mode) if mode else image).save(folder / name)


def write_manifest(folder: Path, *rows: tuple, header: str = "path,label") -> None:
    with open(folder / "manifest.csv", "w", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows([header.split(","), *rows])


@pytest.fixture
def folder(tmp_path) -> Path:
    """Three images a.png, b.png, c.png, and no manifest yet."""
    folder = tmp_path / "galaxies"
    folder.mkdir()
    for seed, name in enumerate(("a.png", "b.png", "c.png")):
        save(folder, name, pixels(seed))
    return folder


def problems(folder: Path) -> list[str]:
    """Return the message's lines below its first one."""
    with pytest.raises(InputError) as caught:
        import_images(folder, TEN)
    head, *lines = str(caught.value).splitlines()
    assert str(folder / "manifest.csv") in head
    return lines


def test_arrays_in_the_order_of_the_manifest(folder):
    rows = (("c.png", 9, "10.5", "-20.25"), ("a.png", 0, "", ""), ("b.png", 3, "nan", "NaN"))
    write_manifest(folder, *rows, header="path,label,ra,dec")
    arrays = import_images(folder, TEN, 0.262)
    assert (arrays.images == np.stack([pixels(2), pixels(0), pixels(1)])).all()
    assert arrays.images.dtype == arrays.labels.dtype == np.uint8
    assert arrays.labels.tolist() == [9, 0, 3]
    np.testing.assert_array_equal(arrays.ra, [10.5, np.nan, np.nan])
    np.testing.assert_array_equal(arrays.dec, [-20.25, np.nan, np.nan])
    assert np.isnan(arrays.redshift).all()
    assert arrays.pxscale.tolist() == [0.262] * 3


def test_other_columns_order_and_blank_lines_do_not_matter(folder):
    text = "\ufeffname, label ,path\nx,1, a.png \n\ny,2,./b.png\n"
    (folder / "manifest.csv").write_text(text, encoding="utf-8")
    rows = read_manifest(folder, TEN).rows
    assert [(row.line, row.file.name, row.label) for row in rows] == [
        (2, "a.png", 1),
        (4, "b.png", 2),
    ]
    assert math.isnan(rows[0].ra) and math.isnan(rows[0].dec)
    with pytest.warns(UserWarning, match="not used: name; the known columns are path, label"):
        assert np.isnan(import_images(folder, TEN).pxscale).all()


def test_colour_modes_become_rgb(folder):
    grey = pixels(0)[..., 0]
    save(folder, "grey.png", grey)
    save(folder, "bilevel.png", grey, "1")
    palette = Image.fromarray(pixels(1)).quantize(16)
    palette.save(folder / "palette.png")
    save(folder, "cmyk.tif", pixels(2), "CMYK")
    alpha = np.full((SIZE, SIZE, 1), 255, np.uint8)
    alpha[0, 0], alpha[0, 1] = 0, 51
    save(folder, "rgba.png", np.concatenate([pixels(3), alpha], axis=2))
    save(folder, "grey_alpha.png", np.concatenate([grey[..., None], alpha], axis=2))
    names = ["grey.png", "bilevel.png", "palette.png", "cmyk.tif", "rgba.png", "grey_alpha.png"]
    write_manifest(folder, *((name, 0) for name in names))
    found = dict(zip(names, import_images(folder, TEN).images, strict=True))

    assert (found["grey.png"] == grey[..., None]).all()
    assert set(np.unique(found["bilevel.png"])) == {0, 255}
    assert (found["palette.png"] == np.array(palette.convert("RGB"))).all()
    assert (found["cmyk.tif"] == pixels(2)).all()
    over_black = np.rint(pixels(3) * (alpha / 255.0))
    np.testing.assert_allclose(found["rgba.png"], over_black, atol=1)
    np.testing.assert_allclose(
        found["grey_alpha.png"], np.rint(grey[..., None] * (alpha / 255.0)).repeat(3, 2), atol=1
    )


def test_transparent_palette_colour_becomes_black(folder):
    image = Image.new("P", (SIZE, SIZE), 0)
    image.putpalette([255, 0, 0, 0, 255, 0])
    image.putpixel((0, 0), 1)
    image.save(folder / "t.gif", transparency=0)
    write_manifest(folder, ("t.gif", 0))
    found = import_images(folder, TEN).images[0]
    assert found[0, 0].tolist() == [0, 255, 0]
    assert (found.reshape(-1, 3)[1:] == 0).all()


def png16(colour_type: int, channels: int) -> bytes:
    """Return a 16-bit PNG: colour type 0 is grey, 2 RGB, 4 grey with alpha, 6 RGBA."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        checksum = struct.pack(">I", zlib.crc32(kind + data))
        return struct.pack(">I", len(data)) + kind + data + checksum

    header = struct.pack(">IIBBBBB", SIZE, SIZE, 16, colour_type, 0, 0, 0)
    rows = (b"\0" + b"\x12\x34" * channels * SIZE) * SIZE
    data = chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + data


def test_deep_images_are_refused(folder):
    for colour_type, channels in ((0, 1), (2, 3), (4, 2), (6, 4)):
        (folder / f"{colour_type}.png").write_bytes(png16(colour_type, channels))
    Image.new("F", (SIZE, SIZE), 0.5).save(folder / "f.tif")
    Image.new("I", (SIZE, SIZE), 70000).save(folder / "i.tif")
    names = ("0.png", "2.png", "4.png", "6.png", "f.tif", "i.tif")
    write_manifest(folder, *((name, 0) for name in names))
    lines = problems(folder)
    assert len(lines) == 6
    assert all("more than 8 bits per channel" in line for line in lines)


def test_every_faulty_row_is_listed(folder):
    (folder / "text.png").write_text("not an image")
    whole = (folder / "c.png").read_bytes()
    (folder / "cut.png").write_bytes(whole[: len(whole) // 2])
    (folder / "empty.png").write_bytes(b"")
    (folder / "sub").mkdir()
    save(folder, "wide.png", pixels(0)[:6])
    save(folder, "large.png", pixels(0, 12))
    write_manifest(
        folder,
        ("a.png", 0),
        ("absent.png", 0),
        ("text.png", 0),
        ("cut.png", 0),
        ("empty.png", 0),
        ("b.png", 10),
        ("b.png", -1),
        ("b.png", "1.0"),
        ("b.png", "spiral"),
        ("b.png", ""),
        ("a.png", 1),
        ("sub/../a.png", 1),
        ("wide.png", 1),
        ("large.png", 1),
        ("sub", 1),
        ("", 1),
        ("b.png",),
        ("b.png", 1, "more"),
        ("c.png", 9),
    )
    expected = [
        (3, "absent.png", "no such file"),
        (4, "text.png", "not a readable image"),
        (5, "cut.png", "not a readable image"),
        (6, "empty.png", "not a readable image"),
        (7, "b.png", "label '10'; allowed are the integers 0 to 9"),
        (8, "b.png", "label '-1'"),
        (9, "b.png", "label '1.0'"),
        (10, "b.png", "label 'spiral'"),
        (11, "b.png", "label ''"),
        (12, "a.png", "same image as in row 2"),
        (13, "sub/../a.png", "same image as in row 2"),
        (14, "wide.png", "8x6 px; allowed are square"),
        (15, "large.png", "12x12 px; all must have one size, most have 8x8"),
        (16, "sub", "no such file"),
        (17, "", "path is empty"),
        (18, "b.png", "label ''"),
        (19, "b.png", "more cells than the header"),
    ]
    lines = problems(folder)
    assert len(lines) == len(expected)
    for line, (row, path, what) in zip(lines, expected, strict=True):
        assert line.startswith(f"  row {row} ({path}): ") and what in line


def test_at_most_twenty_rows_are_listed(folder):
    write_manifest(folder, *((f"{i}.png", 0) for i in range(27)))
    lines = problems(folder)
    assert len(lines) == 21
    assert "row 21 (19.png)" in lines[19]
    assert lines[20] == "  and 7 more"
    write_manifest(folder, *((f"{i}.png", 0) for i in range(20)))
    assert len(problems(folder)) == 20


def test_nothing_outside_the_folder_is_read(folder):
    outside = folder.parent / "outside.png"
    save(folder.parent, "outside.png", pixels(0))
    (folder / "link.png").symlink_to(outside)
    (folder / "loop.png").symlink_to(folder / "loop.png")
    paths = ["../outside.png", str(outside), "x/../../outside.png", "link.png"]
    write_manifest(folder, *((path, 0) for path in [*paths, "loop.png", "a\0b", "n" * 5000]))
    lines = problems(folder)
    assert len(lines) == 7
    assert all("leads out of the folder" in line for line in lines[:4])
    assert not any("leads out" in line for line in lines[4:])


def test_links_within_the_folder_and_a_linked_folder_work(folder):
    (folder / "link.png").symlink_to(folder / "a.png")
    write_manifest(folder, ("link.png", 0))
    (folder.parent / "alias").symlink_to(folder)
    assert (import_images(folder.parent / "alias", TEN).images[0] == pixels(0)).all()


def test_coordinates_are_checked(folder):
    rows = (("a.png", 0, 1, ""), ("a.png", 0, "", 1), ("a.png", 0, 361, 0), ("a.png", 0, 0, -91))
    rows += (("a.png", 0, "12h30m", 0), ("a.png", 0, "inf", 0))
    write_manifest(folder, *rows, header="path,label,ra,dec")
    lines = problems(folder)
    assert ["only one of ra and dec" in line for line in lines] == [True] * 2 + [False] * 4
    assert "ra '361'; allowed are degrees from 0 to 360" in lines[2]
    assert "dec '-91'; allowed are degrees from -90 to 90" in lines[3]
    assert "ra '12h30m'" in lines[4] and "ra 'inf'" in lines[5]


def test_digests_are_checked_where_given(folder):
    digest = hashlib.sha256((folder / "a.png").read_bytes()).hexdigest()
    rows = (("a.png", 0, digest.upper()), ("b.png", 0, ""), ("c.png", 0, digest))
    write_manifest(folder, *rows, header="path,label,sha256")
    (line,) = problems(folder)
    assert "row 4 (c.png)" in line and digest in line
    write_manifest(folder, *rows[:2], header="path,label,sha256")
    assert len(import_images(folder, TEN).images) == 2


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", r"\['path', 'label'\] are missing"),
        (b"id,label\na.png,0\n", r"\['path'\] are missing; found are \['id', 'label'\]"),
        (b"path;label\na.png;0\n", "are missing"),
        (b"path,label,ra\na.png,0,1\n", "only one of the columns ra and dec"),
        (b"path,label,path\na.png,0,b.png\n", "mean the same, path"),
        (b"path,label\n", "no rows"),
        (b"path,label\n\xff\xfe.png,0\n", "not a CSV file in UTF-8"),
    ],
)
def test_unusable_manifest(folder, content, message):
    (folder / "manifest.csv").write_bytes(content)
    with pytest.raises(InputError, match=message):
        read_manifest(folder, TEN)


def test_absent_manifest(folder):
    with pytest.raises(InputError, match="there is no such file"):
        read_manifest(folder, TEN)


@pytest.mark.parametrize("pxscale", [0.0, -1.0, math.inf])
def test_impossible_pixel_scale(folder, pxscale):
    write_manifest(folder, ("a.png", 0))
    with pytest.raises(InputError, match="pixel scale"):
        import_images(folder, TEN, pxscale)


def run_script(folder: Path, output: Path, *arguments: str) -> subprocess.CompletedProcess:
    command = [sys.executable, SCRIPT, "--folder", folder, "--output", output, *arguments]
    environment = os.environ | {"PYTHONPATH": str(SCRIPT.parents[2])}
    return subprocess.run(command, env=environment, capture_output=True, text=True)


def test_script(folder, tmp_path):
    write_manifest(folder, ("a.png", 0), ("b.png", 1))
    output = tmp_path / "out" / "raw.h5"
    done = run_script(folder, output, "--pixel-scale", "0.262", "--class-names", "round", "barred")
    assert done.returncode == 0, done.stderr
    assert verify(output, 2)["class_counts"] == [1, 1]
    with h5py.File(output) as file:
        assert file["pxscale"][:].tolist() == [0.262, 0.262]
    done = run_script(folder, output, "--class-names", "round")
    assert done.returncode == 1
    assert "error: " in done.stderr and "row 3 (b.png)" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.skipif(
    not os.environ.get("EQUIMORPH_REAL_DATA"),
    reason="EQUIMORPH_REAL_DATA does not name a folder of real galaxies",
)
def test_real_sample(tmp_path):
    arrays = import_images(os.environ["EQUIMORPH_REAL_DATA"], TEN, 0.262)
    assert arrays.images.shape == (1000, 256, 256, 3)
    assert np.bincount(arrays.labels).tolist() == [100] * 10
    assert np.isfinite(arrays.ra).all() and np.isfinite(arrays.dec).all()
    # Galaxies sit in the middle of their cut-outs, on dark sky.
    brightness = arrays.images.mean(axis=(0, 3))
    assert brightness[118:138, 118:138].mean() > 4 * brightness[:20, :20].mean()
    write_raw(tmp_path / "raw.h5", *(array[::50] for array in arrays))
    assert verify(tmp_path / "raw.h5", 10)["class_counts"] == [2] * 10
