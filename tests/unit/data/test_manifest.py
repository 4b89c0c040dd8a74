"""Tests of the reader of manifests: what it takes, and what must not pass for something else."""

import csv
import hashlib
import math
from pathlib import Path

import numpy as np
import pytest

from equimorph.data.manifest import folder_digest, read_manifest
from equimorph.errors import InputError

CLASSES = ["Round Smooth", "Barred Spiral", "Merging"]


@pytest.fixture
def folder(tmp_path) -> Path:
    """Files a, b, c and sub/d, none of which is opened by a reader of manifests."""
    (tmp_path / "sub").mkdir()
    for name in ("a", "b", "c", "sub/d"):
        (tmp_path / name).write_text(name)
    return tmp_path


def write(folder: Path, header: str, *rows: tuple) -> None:
    with open(folder / "manifest.csv", "w", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows([header.split(","), *rows])


def read(folder: Path, header: str, *rows: tuple):
    write(folder, header, *rows)
    manifest = read_manifest(folder, CLASSES)
    manifest.check()
    return manifest


def refused(folder: Path, header: str, *rows: tuple) -> str:
    with pytest.raises(InputError) as caught:
        read(folder, header, *rows)
    message = str(caught.value)
    assert message.startswith(f"{folder / 'manifest.csv'}: ")
    return message


@pytest.mark.parametrize("path", ["path", "Path", "filename", "File Name", "FILE_PATH", "image"])
@pytest.mark.parametrize("label", ["label", "LABEL", "Labels", "class_id"])
def test_spellings_of_path_and_label(folder, path, label):
    (row,) = read(folder, f"{label},{path}", (2, "sub/d")).rows
    assert (row.label, row.file) == (2, folder / "sub/d")


@pytest.mark.parametrize(
    ("ra", "dec"),
    [
        ("ra", "dec"),
        ("RA", "DEC"),
        ("RAJ2000", "DEJ2000"),
        ("_RAJ2000", "_DEJ2000"),
        ("ra_deg", "dec_deg"),
        ("RAdeg", "DEdeg"),
        ("Right Ascension", "Declination"),
        ("ra_icrs", "de_icrs"),
    ],
)
def test_spellings_of_positions(folder, ra, dec):
    manifest = read(folder, f"path,label,{dec},{ra}", ("a", 0, -3.5, 214.25))
    assert (manifest.rows[0].ra, manifest.rows[0].dec) == (214.25, -3.5)
    assert manifest.notes == []


@pytest.mark.parametrize("name", ["sha256", "SHA256", "sha-256", "sha256sum"])
def test_spellings_of_the_digest(folder, name):
    (row,) = read(folder, f"path,label,{name}", ("a", 0, "ABC")).rows
    assert row.sha256 == "abc"


def test_blanks_after_commas(folder):
    (folder / "a, b").write_text("a name with a comma")
    (folder / "manifest.csv").write_text('label, path, ra, dec\n1, "a, b", 10, -2\n')
    (row,) = read_manifest(folder, CLASSES).rows
    assert (row.label, row.path, row.ra, row.dec) == (1, "a, b", 10.0, -2.0)


def test_columns_that_are_not_used_are_named(folder):
    (note,) = read(folder, "id,path,label,Redshift", (7, "a", 0, 0.1)).notes
    assert "not used: id, Redshift; the known columns are path, label, class_name, ra, dec" in note


def test_the_plain_name_goes_before_another_spelling(folder):
    manifest = read(folder, "image,path,label", ("nothing", "b", 1))
    assert manifest.rows[0].file == folder / "b"
    assert "not used: image;" in manifest.notes[0]


@pytest.mark.parametrize("header", ["path,label,RA,ra_deg,dec", "image,file,label,ra,dec"])
def test_two_columns_that_mean_the_same(folder, header):
    assert "mean the same" in refused(folder, header, ("a", 0, 1, 1, 1))


# Classes


@pytest.mark.parametrize("column", ["class_name", "Class", "label name"])
@pytest.mark.parametrize("cell", ["Barred Spiral", "barred_spiral", "BARRED-SPIRAL", "1"])
def test_a_class_by_its_name(folder, column, cell):
    assert read(folder, f"path,{column}", ("a", cell)).rows[0].label == 1
    assert read(folder, f"path,label,{column}", ("a", 1, cell)).rows[0].label == 1
    assert read(folder, f"path,label,{column}", ("a", 1, "")).rows[0].label == 1


@pytest.mark.parametrize("cell", ["Merging", "merging", "2"])
def test_a_class_name_that_contradicts_the_label(folder, cell):
    said = refused(folder, "path,label,class_name", ("a", 0, "Round Smooth"), ("b", 1, cell))
    assert f"row 3 (b): label 1 is Barred Spiral, the class is given as '{cell}'" in said


def test_a_class_that_is_none(folder):
    said = refused(folder, "path,label,class_name", ("a", 0, "Irregular"))
    assert "class 'Irregular'; allowed are Round Smooth, Barred Spiral, Merging" in said
    assert "3" in refused(folder, "path,class", ("a", 3))


def test_names_of_classes_that_are_numbers(folder):
    write(folder, "path,class", ("a", "1"), ("b", "0"))
    assert [row.label for row in read_manifest(folder, ["1", "0"]).rows] == [0, 1]


# Positions


@pytest.mark.parametrize("zero", ["0", "0.0", "-0", "0e0"])
def test_the_origin_is_no_position(folder, zero):
    said = refused(folder, "path,label,ra,dec", ("a", 0, zero, zero), ("b", 0, 10, 0))
    assert f"row 2 (a): ra '{zero}', dec '{zero}'; no galaxy is there: where it is unknown" in said
    assert "row 3" not in said


@pytest.mark.parametrize("value", ["-99", "-999", "-9999", "-99.0", "9999", "inf"])
def test_numbers_that_stand_for_unknown(folder, value):
    said = refused(folder, "path,label,ra,dec", ("a", 0, value, value))
    assert f"ra '{value}'; allowed are degrees from 0 to 360, or an empty cell where it is" in said


@pytest.mark.parametrize("value", ["", "nan", "NaN"])
def test_unknown_positions(folder, value):
    (row,) = read(folder, "path,label,ra,dec", ("a", 0, value, value)).rows
    assert math.isnan(row.ra) and math.isnan(row.dec)


def test_a_negative_right_ascension(folder):
    said = refused(folder, "path,label,ra,dec", ("a", 0, -12.5, 3))
    assert "ra '-12.5'; allowed are degrees from 0 to 360" in said and "add 360" in said


@pytest.mark.parametrize("value", ["12:30:05.5", "12h30m05s", "12 30 05", "12h 30m"])
def test_hours_minutes_seconds(folder, value):
    said = refused(folder, "path,label,RAJ2000,DEJ2000", ("a", 0, value, "+01:10:00"))
    assert f"ra '{value}'" in said and "hours, minutes and seconds must be converted" in said


@pytest.mark.parametrize("header", ["path,label,ra_hms,dec_dms", "path,label,RAh,DEdeg"])
def test_columns_named_after_other_units(folder, header):
    said = refused(folder, header, ("a", 0, "12", "3"))
    assert "degrees" in said or "only one of the columns ra and dec" in said


def spread(folder: Path, ra: np.ndarray, dec: np.ndarray, names: str = "ra,dec"):
    """Read as many images of one class at these positions."""
    for number in range(len(ra)):
        (folder / f"{number}.png").touch()
    rows = [(f"{i}.png", 0, *place) for i, place in enumerate(zip(ra, dec, strict=True))]
    return read(folder, f"path,label,{names}", *rows)


def sky(n: int) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    return rng.uniform(0.1, 360, n), np.rad2deg(np.arcsin(rng.uniform(-0.4, 0.6, n)))


def test_hours_are_refused(folder):
    ra, dec = sky(60)
    spread(folder, ra, dec)
    with pytest.raises(InputError, match=r"ra goes from 0.\d+ to 23.\d+ .* as hours would.* by 15"):
        spread(folder, ra / 15, dec)


def test_radians_are_refused(folder):
    ra, dec = np.deg2rad(sky(60))
    with pytest.raises(InputError, match=r"ra goes from .* as radians would.* both by 180/pi"):
        spread(folder, ra, dec)


def test_a_patch_that_is_said_to_be_in_degrees(folder):
    ra, dec = sky(60)
    assert len(spread(folder, ra / 15, dec, "ra_deg,dec_deg").rows) == 60


@pytest.mark.parametrize("width", [(20.0, 2.5), (6.0, 0.4), (10.0, 40.0), (3.0, 1.5), (2.0, 2.0)])
def test_a_small_patch_of_the_sky(folder, width):
    rng = np.random.default_rng(1)
    ra, dec = rng.uniform(0.01, width[0], 60), rng.uniform(0, width[1], 60)
    assert len(spread(folder, ra, dec).rows) == 60


def test_one_position_for_images_of_several_classes(folder):
    rows = [("a", 0, 10, 20), ("b", 1, 10, 20), ("c", 2, 10, 20), ("sub/d", 1, 10, 20)]
    assert len(read(folder, "path,label,ra,dec", *rows).rows) == 4  # may be one merger
    (folder / "e").touch()
    said = refused(folder, "path,label,ra,dec", *rows, ("e", 0, 10, 20))
    assert "5 images of 3 classes have the same position, ra 10, dec 20; where it stands" in said
    same = [(path, 1, ra, dec) for path, _, ra, dec in [*rows, ("e", 0, 10, 20)]]
    assert len(read(folder, "path,label,ra,dec", *same).rows) == 5


# Files


def test_an_absolute_path_within_the_folder(folder):
    (row,) = read(folder, "path,label", (folder / "sub/d", 0)).rows
    assert row.file == folder / "sub/d"
    said = refused(folder, "path,label", (folder.parent / "other.png", 0))
    assert "leads out of the folder; allowed are paths within it" in said


def test_a_manifest_of_gigabytes(folder):
    with open(folder / "manifest.csv", "wb") as file:
        file.truncate(2**40)  # takes no space on the disk
    with pytest.raises(InputError, match="has 1099511627776 bytes; allowed are at most"):
        read_manifest(folder, CLASSES)


# The digest


def test_the_digest_follows_what_an_import_takes(folder):
    def digest(header: str, *rows: tuple) -> str:
        write(folder, header, *rows)
        return folder_digest(folder, CLASSES)

    first = digest("path,label,ra,dec", ("a", 0, 1.5, 2), ("b", 1, "", ""))
    assert first == digest(
        "RA, note, path, DEC, Label", (1.5, "x", "a", 2.0, 0), ("", "", "b", "", 1)
    )
    assert first != digest("path,label,ra,dec", ("a", 0, 1.5, 2), ("b", 2, "", ""))
    assert first != digest("path,label,ra,dec", ("a", 0, 1.5, 3), ("b", 1, "", ""))
    assert first != digest("path,label,ra,dec", ("b", 1, "", ""), ("a", 0, 1.5, 2))
    (folder / "b").write_text("replaced")
    assert first != digest("path, label,ra,dec", ("a", 0, 1.5, 2), ("b", 1, "", ""))


def test_the_digest_opens_nothing_of_a_manifest_that_cannot_be_used(folder):
    (folder / "huge").touch()
    with open(folder / "huge", "wb") as file:
        file.truncate(2**40)
    (folder / "secret").write_text("x")
    (folder / "secret").chmod(0)
    outside = folder.parent / "outside"
    outside.write_text("x")
    write(folder, "path,label", ("secret", 0), ("huge", 0), ("../outside", 0), ("/dev/zero", 0))
    with pytest.raises(InputError) as caught:
        folder_digest(folder, CLASSES)
    lines = str(caught.value).splitlines()[1:]
    assert [line.split(":")[0] for line in lines] == [
        "  row 3 (huge)",
        "  row 4 (../outside)",
        "  row 5 (/dev/zero)",
    ]


def test_the_digest_of_files_is_that_of_their_bytes(folder):
    write(folder, "path,label", ("a", 0))
    before = folder_digest(folder, CLASSES)
    content = (folder / "a").read_bytes()
    (folder / "a").unlink()
    (folder / "elsewhere").write_bytes(content)
    write(folder, "path,label", ("elsewhere", 0))
    assert folder_digest(folder, CLASSES) == before
    assert len(before) == len(hashlib.sha256().hexdigest())
