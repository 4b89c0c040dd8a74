"""Bad input: every reader gives a correct result or one clear error, never a traceback.

A case that raises anything but InputError fails its test, so none looks for tracebacks.
"""

import csv
import io
import os
import zlib
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

from equimorph.data.catalogue import read_catalogue, write_catalogue
from equimorph.data.convert import convert
from equimorph.data.image_file import open_images
from equimorph.data.images import import_images
from equimorph.data.manifest import read_manifest
from equimorph.data.raw import OPTIONAL_KEYS, RAW_KEYS, write_raw
from equimorph.data.split_file import read_split
from equimorph.data.verify import verify
from equimorph.errors import InputError
from tests.unit.data.test_images import png16

N, SIZE, CLASSES = 6, 8, ["smooth", "barred", "merging"]
LABELS = np.array([0, 0, 1, 1, 1, 2], np.uint8)
NUMBERS = dict(zip(RAW_KEYS[2:], (np.arange(N) * 10.0, *[np.full(N, 0.5)] * 3), strict=True))
# The same examples on every run, and none kept from one run for the next.
FUZZ = settings(
    deadline=None,
    derandomize=True,
    database=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)


def pixels(seed: int = 0, n: int = 1) -> np.ndarray:
    shape = (n, SIZE, SIZE, 3)
    return np.random.default_rng(seed).integers(0, 256, shape, np.uint8)


def mutations(content: bytes) -> st.SearchStrategy[bytes]:
    """Return the content with up to 3 places overwritten and, now and then, its end cut off."""
    text = st.text('0123456789,.-e"\n', min_size=1, max_size=4).map(str.encode)
    new = st.one_of(st.binary(min_size=1, max_size=8), text, text)
    place = st.tuples(st.integers(0, len(content) - 1), new)
    cut = st.one_of(st.none(), st.none(), st.none(), st.integers(0, len(content)))

    def apply(edits: list[tuple[int, bytes]], end: int | None) -> bytes:
        changed = bytearray(content)
        for start, new in edits:
            changed[start : start + len(new)] = new
        return bytes(changed[:end])

    return st.builds(apply, st.lists(place, min_size=1, max_size=3), cut)


def fuzz(content: bytes, path: Path, read: Callable[[], Any], examples: int) -> Counter:
    """Read mutations of a file; return how many were accepted and how many refused."""
    tried = Counter()

    @settings(FUZZ, max_examples=examples)
    @given(mutations(content))
    def check(changed: bytes) -> None:
        path.write_bytes(changed)
        try:
            read()
        except InputError as error:
            assert str(path.parent) in str(error)
            tried["refused"] += 1
        else:
            tried["accepted"] += 1

    check()
    print(f"{path.name}: {tried['accepted']} mutations accepted, {tried['refused']} refused")
    assert tried.total() >= examples
    return tried


# HDF5


@pytest.fixture
def raw(tmp_path) -> Path:
    """A sound raw file: six images of 8 px."""
    path = tmp_path / "raw.h5"
    write_raw(path, pixels(n=N), LABELS, *NUMBERS.values())
    return path


def read_raw(path: Path) -> np.ndarray:
    """Read a raw file as the workflow does; return its images."""
    found = verify(path, len(CLASSES))
    convert(path, path.with_suffix(".npy"))
    write_catalogue(path, path.with_suffix(".csv"), CLASSES)
    images = open_images(path.with_suffix(".npy"))
    assert images.shape == (found["images"], *found["shape"])
    assert len(read_catalogue(path.with_suffix(".csv"))) == len(images)
    return images


def stored(key: str, **dataset: Any) -> Callable[[h5py.File], None]:
    """Return a change of a file: another data set under a key."""

    def change(file: h5py.File) -> None:
        file.pop(key, None)
        file.create_dataset(key, **dataset)

    return change


def linked(link: Any) -> Callable[[h5py.File], None]:
    def change(file: h5py.File) -> None:
        del file["images"]
        file["images"] = link

    return change


def claimed(n: int) -> Callable[[h5py.File], None]:
    """Return a change: arrays of n entries, none of which was ever written."""

    def change(file: h5py.File) -> None:
        for key in RAW_KEYS:
            shape = (n, SIZE, SIZE, 3) if key == "images" else (n,)
            kind = "u1" if key in ("images", "ans") else "f8"
            stored(key, shape=shape, dtype=kind, chunks=(1, *shape[1:]))(file)

    return change


def virtual(file: h5py.File) -> None:
    layout = h5py.VirtualLayout(shape=(N, SIZE, SIZE, 3), dtype="u1")
    layout[:] = h5py.VirtualSource("other.h5", "images", shape=(N, SIZE, SIZE, 3))
    del file["images"]
    file.create_virtual_dataset("images", layout)


SHAPE = (N, SIZE, SIZE, 3)
PIXELS = pixels(n=N)
NONE = np.zeros(N)
LOOKS_FINE = "its images come out as they are"
ELSEWHERE = "'images'.*the values lie elsewhere"
HDF5 = {
    "as it is": (lambda file: None, LOOKS_FINE),
    "another key more": (lambda file: file.create_dataset("more", data=1), LOOKS_FINE),
    **{
        f"without {key}": (lambda file, key=key: file.pop(key), f"'{key}': there is no such array")
        for key in RAW_KEYS
        if key not in OPTIONAL_KEYS
    },
    **{
        f"without {key}": (lambda file, key=key: file.pop(key), LOOKS_FINE) for key in OPTIONAL_KEYS
    },
    "a row of another file": (stored("h5_index", data=np.arange(SHAPE[0])), LOOKS_FINE),
    "rows of another file as text": (stored("h5_index", data="a"), "'h5_index'.*the shape is"),
    "a group": (
        lambda file: (file.pop("ra"), file.create_group("ra")),
        "'ra': there is no such array",
    ),
    "no values at all": (stored("images", data=h5py.Empty("u1")), "'images'.*is empty"),
    "no labels at all": (stored("ans", data=h5py.Empty("u1")), "'ans'.*is empty"),
    "images of floats": (stored("images", data=PIXELS / 255), "'images'.*float64.*must be uint8"),
    "NaN in the images": (stored("images", data=np.full(SHAPE, np.nan)), "'images'.*float64"),
    "images of 16 bits": (stored("images", data=PIXELS.astype("u2")), "'images'.*uint16"),
    "signed images": (stored("images", data=PIXELS.astype("i1")), "'images'.*int8"),
    "compound labels": (stored("ans", data=np.zeros(N, [("a", "u1")])), "'ans'.*must be uint8"),
    "text for labels": (stored("ans", data=["0"] * N), "'ans'.*must be uint8"),
    "text for numbers": (stored("ra", data=["10"] * N), "'ra'.*must be float64"),
    "complex numbers": (stored("ra", data=NONE * 1j), "'ra'.*complex128"),
    "half precision": (stored("ra", data=np.zeros(N, "f2")), LOOKS_FINE),
    "other byte order": (stored("ra", data=np.ones(N, ">f8")), LOOKS_FINE),
    "three axes": (stored("images", data=PIXELS[..., 0]), r"'images'.*\(6, 8, 8\)"),
    "channels first": (stored("images", data=PIXELS.transpose(0, 3, 1, 2)), r"\(6, 3, 8, 8\)"),
    "four channels": (stored("images", data=np.zeros((N, 8, 8, 4), "u1")), r"\(6, 8, 8, 4\)"),
    "not square": (stored("images", data=np.zeros((N, 8, 9, 3), "u1")), r"\(6, 8, 9, 3\)"),
    "zero images": (stored("images", data=PIXELS[:0]), r"\(0, 8, 8, 3\)"),
    "zero pixels": (stored("images", shape=(N, 0, 0, 3), dtype="u1"), r"\(6, 0, 0, 3\)"),
    "a label less": (stored("ans", data=LABELS[1:]), r"'ans'.*\(5,\).*must be \(6,\)"),
    "a label too high": (stored("ans", data=LABELS + 1), "'ans'.*has label 3"),
    "NaN for a position": (stored("ra", data=NONE * np.nan), "'ra' and 'dec'.*only one of the two"),
    "NaN for redshift": (stored("redshift", data=NONE * np.nan), LOOKS_FINE),
    "infinite": (stored("pxscale", data=NONE + np.inf), "'pxscale'.*is inf"),
    "beyond the pole": (stored("dec", data=NONE + 91), "'dec'.*is 91"),
    "chunks of one pixel": (stored("images", data=PIXELS, chunks=(1, 1, 1, 1)), LOOKS_FINE),
    "chunks across images": (
        stored("images", data=PIXELS, chunks=(N, 1, 1, 1), compression="gzip"),
        LOOKS_FINE,
    ),
    "chunks larger than the array": (
        stored("images", data=PIXELS, maxshape=(None,) * 4, chunks=(64,) * 4, compression="gzip"),
        LOOKS_FINE,
    ),
    "chunks of a gibibyte": (
        stored("images", shape=SHAPE, dtype="u1", maxshape=(None,) * 4, chunks=(2**18, 64, 64, 1)),
        "'images'.*allowed are chunks of at most 256 MiB",
    ),
    "other filters": (
        stored("images", data=PIXELS, compression="gzip", shuffle=True, fletcher32=True),
        LOOKS_FINE,
    ),
    "a filter that unpacks as it likes": (
        stored("images", data=PIXELS, compression="lzf"),
        "'images': packed with lzf; allowed are gzip",
    ),
    "more images than bytes": (claimed(4 * 10**6), "claims 768000000 bytes"),
    "more images than there are galaxies": (claimed(10**12), "allowed are at most 4194304 images"),
    "an image larger than memory": (
        stored("images", shape=(N, 10**6, 10**6, 3), dtype="u1", chunks=(1, 100, 100, 3)),
        "allowed are at most .* of at most 4096 px",
    ),
    "link to another file": (linked(h5py.ExternalLink("other.h5", "images")), ELSEWHERE),
    "link to nowhere": (linked(h5py.SoftLink("/nowhere")), ELSEWHERE),
    "link to itself": (linked(h5py.SoftLink("/images")), ELSEWHERE),
    "values in another file": (
        stored("images", shape=SHAPE, dtype="u1", external=[("other.bin", 0, PIXELS.nbytes)]),
        ELSEWHERE,
    ),
    "a map of another file": (virtual, ELSEWHERE),
}


@pytest.mark.parametrize(("change", "expected"), HDF5.values(), ids=HDF5.keys())
def test_raw_file(raw, change, expected, monkeypatch):
    # What the links name is there and would do.
    monkeypatch.chdir(raw.parent)
    write_raw(raw.with_name("other.h5"), PIXELS, LABELS, *NUMBERS.values())
    raw.with_name("other.bin").write_bytes(PIXELS.tobytes())
    with h5py.File(raw, "a") as file:
        change(file)
    if expected == LOOKS_FINE:
        assert (read_raw(raw) == PIXELS).all()
        return
    with pytest.raises(InputError, match=expected) as caught:
        read_raw(raw)
    assert str(raw) in str(caught.value)


@pytest.mark.parametrize("content", [b"", b"\x89HDF\r\n\x1a\n", b"<html></html>", bytes(4096)])
def test_raw_file_that_is_none(raw, content):
    raw.write_bytes(content)
    with pytest.raises(InputError, match="not a whole HDF5 file"):
        read_raw(raw)


def test_raw_file_cut_anywhere(raw):
    content = raw.read_bytes()
    for length in range(0, len(content), len(content) // 40):
        raw.write_bytes(content[:length])
        with pytest.raises(InputError, match="not a whole HDF5 file"):
            read_raw(raw)


def test_folder_in_place_of_a_raw_file(tmp_path):
    with pytest.raises(InputError, match="no such file"):
        verify(tmp_path, 3)
    with pytest.raises(InputError, match="no such file"):
        convert(tmp_path, tmp_path / "images.npy")


@pytest.mark.parametrize("key", ["images", "ans", "ra"])
def test_damaged_chunk(raw, key):
    """The structure is whole, a check sum inside is not: only reading the values tells."""
    with h5py.File(raw, "a") as file:
        values = file[key][:]
        stored(key, data=values, chunks=values.shape, compression="gzip")(file)
        chunk = file[key].id.get_chunk_info(0)
    content = bytearray(raw.read_bytes())
    content[chunk.byte_offset + chunk.size - 4] ^= 0xFF
    raw.write_bytes(content)
    with pytest.raises(InputError, match=f"key '{key}': .*cannot be unpacked"):
        read_raw(raw)


def test_mutated_raw_files(raw):
    tried = fuzz(raw.read_bytes(), raw, lambda: read_raw(raw), 250)
    assert tried["accepted"] and tried["refused"]


def test_mutated_packed_raw_files(raw):
    with h5py.File(raw, "w", libver="latest") as file:
        file.create_dataset("images", data=PIXELS, chunks=(3, 4, 4, 1), compression="gzip")
        for key, values in {"ans": LABELS, **NUMBERS}.items():
            file.create_dataset(key, data=values, chunks=(4,), compression="gzip", shuffle=True)
    assert (read_raw(raw) == PIXELS).all()
    assert fuzz(raw.read_bytes(), raw, lambda: read_raw(raw), 150)["refused"]


# Manifests


@pytest.fixture
def folder(tmp_path) -> Path:
    """Two images, a.png and sub/b.png; things that lead out of the folder; no manifest."""
    folder = tmp_path / "galaxies"
    (folder / "sub").mkdir(parents=True)
    Image.fromarray(pixels(1)[0]).save(folder / "a.png")
    Image.fromarray(pixels(2)[0]).save(folder / "sub/b.png")
    Image.fromarray(pixels(3)[0]).save(tmp_path / "outside.png")
    (folder / "link.png").symlink_to(tmp_path / "outside.png")
    (folder / "up").symlink_to(tmp_path)
    (folder / "zero.png").symlink_to("/dev/zero")
    (folder / "loop.png").symlink_to("loop.png")
    os.mkfifo(folder / "pipe.png")
    return folder


HEAD = b"path,label\n"
OUT = "leads out of the folder"
GOOD = [0, 2]
MANIFESTS = {
    "plain": (HEAD + b"a.png,0\nsub/b.png,2\n", GOOD),
    "byte-order mark": (b"\xef\xbb\xbf" + HEAD + b"a.png,0\nsub/b.png,2\n", GOOD),
    "CRLF": (b"path,label\r\na.png,0\r\nsub/b.png,2\r\n", GOOD),
    "CR": (b"path,label\ra.png,0\rsub/b.png,2\r", GOOD),
    "no end of line": (HEAD + b"a.png,0\nsub/b.png,2", GOOD),
    "blank lines": (b"path,label\n\na.png,0\n\n\nsub/b.png,2\n\n", GOOD),
    "quotes": (b'"path","label"\n"a.png","0"\n"sub/b.png","2"\n', GOOD),
    "spaces": (b" path , label \n a.png , 0 \n sub/b.png , 2 \n", GOOD),
    "capitals": (b"Path,Label\na.png,0\nsub/b.png,2\n", GOOD),
    "another word for path": (b"file,label\na.png,0\nsub/b.png,2\n", GOOD),
    "names of classes": (b"path,class\na.png,smooth\nsub/b.png,Merging\n", GOOD),
    "more columns": (b"z,label,path\n1,0,a.png\n,2,sub/b.png\n", GOOD),
    "leading zeros": (HEAD + b"a.png,00\nsub/b.png,02\n", GOOD),
    "within by a detour": (HEAD + b"sub/../a.png,0\n./sub//b.png,2\n", GOOD),
    "empty": (b"", "columns .* are missing"),
    "one blank line": (b"\n", "columns .* are missing"),
    "header alone": (HEAD, "no rows below the header"),
    "no header": (b"a.png,0\n", "columns .* are missing"),
    "semicolons": (b"path;label\na.png;0\n", "columns .* are missing"),
    "tabs": (b"path\tlabel\na.png\t0\n", "columns .* are missing"),
    "no label": (b"path,ra,dec\na.png,1,1\n", r"\['label'\] are missing"),
    "no path": (b"id,label\na.png,0\n", r"\['path'\] are missing"),
    "a column twice": (b"path,label,label\na.png,0,1\n", "mean the same"),
    "ra alone": (b"path,label,ra\na.png,0,1\n", "only one of the columns ra and dec"),
    "Latin-1": (HEAD + "galaxié.png,0\n".encode("latin-1"), "not a CSV file in UTF-8"),
    "UTF-16": ("path,label\na.png,0\n".encode("utf-16"), "not a CSV file in UTF-8"),
    "an image": (b"\x89PNG\r\n\x1a\n" + bytes(range(256)), "not a CSV file in UTF-8"),
    "zero bytes": (HEAD + b"a.png\0,0\n", r"row 2 .*(not a usable path|no such file)"),
    "a huge cell": (HEAD + b"a" * 200_000 + b",0\n", "not a CSV file in UTF-8 .*field larger"),
    "a long path": (HEAD + b"a" * 5000 + b",0\n", "row 2 .*not a usable path"),
    "many rows": (HEAD + b"absent.png,0\n" * 3000, "and 2980 more"),
    "a row twice": (HEAD + b"a.png,0\na.png,0\n", "row 3 .*same image as in row 2"),
    "a file under two names": (HEAD + b"a.png,0\nsub/../a.png,1\n", "same image as in row 2"),
    "a quote left open": (HEAD + b'"a.png,0\nsub/b.png,2\n', r"row 3 .*no such file"),
    "more cells": (HEAD + b"a.png,0,1\n", "more cells than the header"),
    "fewer cells": (HEAD + b"a.png\n", "label ''"),
    "empty path": (HEAD + b",0\n", "the path is empty"),
    "absent file": (HEAD + b"absent.png,0\n", "no such file"),
    "a folder": (HEAD + b"sub,0\n", "no such file"),
    "the folder itself": (HEAD + b".,0\n", "no such file"),
    "a pipe": (HEAD + b"pipe.png,0\n", "no such file"),
    "a loop of links": (HEAD + b"loop.png,0\n", "not a usable path|no such file"),
    "absolute path": (HEAD + b"/etc/passwd,0\n", OUT),
    "parent folder": (HEAD + b"../outside.png,0\n", OUT),
    "parent by a detour": (HEAD + b"sub/../../outside.png,0\n", OUT),
    "link out": (HEAD + b"link.png,0\n", OUT),
    "linked folder": (HEAD + b"up/outside.png,0\n", OUT),
    "a device": (HEAD + b"zero.png,0\n", OUT),
    "home": (HEAD + b"~/a.png,0\n", "no such file"),
    "another system's path": (HEAD + b"C:\\a.png,0\n", "no such file"),
    "an address": (HEAD + b"https://example.org/a.png,0\n", "no such file"),
    "label too high": (HEAD + b"a.png,3\n", "label '3'; allowed are the integers 0 to 2"),
    "negative label": (HEAD + b"a.png,-1\n", "label '-1'"),
    "label as float": (HEAD + b"a.png,1.0\n", "label '1.0'"),
    "label as hexadecimal": (HEAD + b"a.png,0x1\n", "label '0x1'"),
    "label in other digits": (HEAD + "a.png,١\n".encode(), "label '١'"),
    "label as name": (HEAD + b"a.png,smooth\n", "label 'smooth'"),
    "huge label": (HEAD + b"a.png," + b"9" * 5000 + b"\n", "label '9"),
    "ra too high": (b"path,label,ra,dec\na.png,0,361,0\n", "ra '361'"),
    "dec of infinity": (b"path,label,ra,dec\na.png,0,1,-inf\n", "dec '-inf'"),
    "ra without dec": (b"path,label,ra,dec\na.png,0,1,\n", "only one of ra and dec"),
    "wrong digest": (b"path,label,sha256\na.png,0,abc\n", "the sha256 is .*the manifest says abc"),
}


@pytest.mark.parametrize(("content", "expected"), MANIFESTS.values(), ids=MANIFESTS.keys())
def test_manifest(folder, content, expected):
    (folder / "manifest.csv").write_bytes(content)
    if isinstance(expected, list):
        arrays = import_images(folder, CLASSES)
        assert arrays.labels.tolist() == expected
        assert (arrays.images == [pixels(1)[0], pixels(2)[0]]).all()
        return
    with pytest.raises(InputError, match=f"(?s){expected}") as caught:
        import_images(folder, CLASSES)
    assert str(folder / "manifest.csv") in str(caught.value)


def test_manifest_that_is_no_file(folder):
    for place in (folder, folder / "absent", folder / "a.png"):
        with pytest.raises(InputError, match="there is no such file"):
            read_manifest(place, CLASSES)
    (folder / "manifest.csv").mkdir()
    with pytest.raises(InputError, match="there is no such file"):
        read_manifest(folder, CLASSES)


def test_mutated_manifests(folder):
    path = folder / "manifest.csv"
    content = b"path,label,ra,dec\na.png,0,10.5,-3\nsub/b.png,2,,\n"
    tried = fuzz(content, path, lambda: import_images(folder, CLASSES), 300)
    assert tried["accepted"] and tried["refused"]


@pytest.mark.parametrize("columns", ["path,label", "path,label,ra,dec,sha256"])
def test_any_cells_in_a_manifest(folder, columns):
    """Whatever text the cells hold, nothing outside the folder is read."""
    tried = Counter()
    names = st.sampled_from(["a.png", "sub/b.png", "link.png", "up/outside.png", "../outside.png"])
    cells = st.one_of(names, st.text(max_size=8), st.integers(-3, 400).map(str))

    @settings(FUZZ, max_examples=100)
    @given(st.lists(st.lists(cells, max_size=6), max_size=4))
    def check(rows: list[list[str]]) -> None:
        text = io.StringIO()
        csv.writer(text).writerows([columns.split(","), *rows])
        content = text.getvalue().encode("utf-8", "surrogatepass")
        (folder / "manifest.csv").write_bytes(content)
        tried["all"] += 1
        try:
            found = read_manifest(folder, CLASSES)
            found.check()
        except InputError:
            return
        assert all(row.file.is_relative_to(folder.resolve()) for row in found.rows)

    check()
    assert tried["all"] >= 100


# Images


RGB = pixels()[0]


def encoded(kind: str, array: np.ndarray = RGB, mode: str | None = None, **options: Any) -> bytes:
    """Return an image as the bytes of a file."""
    image = Image.fromarray(array)
    buffer = io.BytesIO()
    (image.convert(mode) if mode else image).save(buffer, kind, **options)
    return buffer.getvalue()


def png(width: int, height: int, *chunks: tuple[bytes, bytes]) -> bytes:
    """Return a grey PNG of 8 bits that has a header, other chunks, and no pixels."""
    header = width.to_bytes(4) + height.to_bytes(4) + bytes([8, 0, 0, 0, 0])
    parts = [(b"IHDR", header), *chunks, (b"IEND", b"")]
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        len(data).to_bytes(4) + kind + data + zlib.crc32(kind + data).to_bytes(4)
        for kind, data in parts
    )


def turned(orientation: int) -> bytes:
    exif = Image.Exif()
    exif[0x0112] = orientation
    return encoded("PNG", exif=exif)


def animated(kind: str) -> bytes:
    first, *others = (Image.fromarray(pixels(seed)[0]) for seed in range(3))
    buffer = io.BytesIO()
    first.save(buffer, kind, save_all=True, append_images=others)
    return buffer.getvalue()


GREY = RGB[..., 0]
OVER_BLACK = np.dstack([RGB, np.full((SIZE, SIZE), 255, np.uint8)])
OVER_BLACK[:4, :, 3] = 0
BLACK_ABOVE = np.where(np.arange(SIZE)[:, None, None] < 4, 0, RGB)
TWO_COLOURS = np.where(GREY > 127, 255, 0).astype(np.uint8)
DEEP = "more than 8 bits per channel"
UNREADABLE = "not a readable image"
IMAGES = {
    # A correct result: the pixels.
    **{kind: (encoded(kind), RGB) for kind in ("PNG", "BMP", "TIFF", "PPM")},
    "WebP": (encoded("WEBP", lossless=True), RGB),
    "JPEG 2000": (encoded("JPEG2000"), RGB),
    "packed TIFF": (encoded("TIFF", compression="tiff_lzw"), RGB),
    "greyscale": (encoded("PNG", GREY), GREY[..., None]),
    "greyscale with alpha": (encoded("PNG", GREY, "LA"), GREY[..., None]),
    "bilevel": (encoded("PNG", TWO_COLOURS, "1"), TWO_COLOURS[..., None]),
    "palette": (encoded("PNG", TWO_COLOURS, "P"), TWO_COLOURS[..., None]),
    "GIF": (encoded("GIF", TWO_COLOURS), TWO_COLOURS[..., None]),
    "RGBA": (encoded("PNG", OVER_BLACK), BLACK_ABOVE),
    "CMYK": (encoded("TIFF", mode="CMYK"), RGB),
    "an ICC profile that is none": (encoded("PNG", icc_profile=b"none"), RGB),
    "data after the end": (encoded("PNG") + b"\0" * 1000, RGB),
    "turned by EXIF 1": (turned(1), RGB),
    "turned by EXIF 2": (turned(2), RGB[:, ::-1]),
    "turned by EXIF 3": (turned(3), RGB[::-1, ::-1]),
    "turned by EXIF 4": (turned(4), RGB[::-1]),
    "turned by EXIF 5": (turned(5), RGB.swapaxes(0, 1)),
    "turned by EXIF 6": (turned(6), np.rot90(RGB, -1)),
    "turned by EXIF 7": (turned(7), RGB[::-1, ::-1].swapaxes(0, 1)),
    "turned by EXIF 8": (turned(8), np.rot90(RGB)),
    "turned by EXIF 9, which is none": (turned(9), RGB),
    "one pixel": (encoded("PNG", RGB[:1, :1]), RGB[:1, :1]),
    # A clear error.
    "not square": (encoded("PNG", RGB[:5]), "8x5 px; allowed are square images"),
    "16-bit grey": (png16(0, 1), DEEP),
    "16-bit RGB": (png16(2, 3), DEEP),
    "16-bit grey with alpha": (png16(4, 2), DEEP),
    "16-bit RGBA": (png16(6, 4), DEEP),
    "16-bit TIFF": (encoded("TIFF", GREY.astype(np.uint16)), DEEP),
    "32-bit integers": (encoded("TIFF", GREY.astype(np.int32)), DEEP),
    "floats": (encoded("TIFF", GREY.astype(np.float32)), DEEP),
    "animated GIF": (animated("GIF"), "has 3 frames"),
    "animated PNG": (animated("PNG"), "has 3 frames"),
    "animated WebP": (animated("WEBP"), "has 3 frames"),
    "pages": (animated("TIFF"), "has 3 frames"),
    "10,000 px": (png(10_000, 10_000), "has 10000x10000 px; allowed are 89478485 in all"),
    "100,000 px": (png(100_000, 100_000), f"{UNREADABLE}.*DecompressionBomb"),
    "2 Gpx": (png(2**31 - 1, 2**31 - 1), f"{UNREADABLE}.*DecompressionBomb"),
    "no pixels": (png(SIZE, SIZE), UNREADABLE),
    "zero px": (png(0, 0), UNREADABLE),
    "a text that unpacks to 100 MiB": (
        png(SIZE, SIZE, (b"zTXt", b"a\0\0" + zlib.compress(bytes(100 * 2**20)))),
        UNREADABLE,
    ),
    "nothing": (b"", UNREADABLE),
    "text": (b"not an image", UNREADABLE),
    "HTML": (b"<!DOCTYPE html><html></html>", UNREADABLE),
    "PostScript": (b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 8 8\n%%EOF\n", UNREADABLE),
    "SVG": (b'<svg xmlns="http://www.w3.org/2000/svg" width="8" height="8"/>', UNREADABLE),
    "FITS": (b"SIMPLE  =                    T".ljust(2880), UNREADABLE),
    "HDF5": (b"\x89HDF\r\n\x1a\n" + bytes(2048), UNREADABLE),
}


@pytest.mark.parametrize("name", ["x.png", "x.jpg"], ids=["png", "jpg"])
@pytest.mark.parametrize(("content", "expected"), IMAGES.values(), ids=IMAGES.keys())
def test_image(tmp_path, content, expected, name):
    """The name's ending does not matter."""
    (tmp_path / name).write_bytes(content)
    (tmp_path / "manifest.csv").write_text(f"path,label\n{name},0\n")
    if isinstance(expected, str):
        with pytest.raises(InputError, match=rf"row 2 \({name}\): .*{expected}"):
            import_images(tmp_path, ["only"])
        return
    (found,) = import_images(tmp_path, ["only"]).images
    assert found.dtype == np.uint8 and found.shape[2] == 3
    assert (found == expected).all()


def test_jpeg(tmp_path):
    smooth = np.add.outer(np.arange(SIZE), np.arange(SIZE))[..., None] * np.uint8([16, 8, 4])
    (tmp_path / "manifest.csv").write_text("path,label\nrgb.jpg,0\ncmyk.jpg,0\n")
    for name, mode in (("rgb.jpg", "RGB"), ("cmyk.jpg", "CMYK")):
        content = encoded("JPEG", smooth.astype(np.uint8), mode, quality=95, subsampling=0)
        (tmp_path / name).write_bytes(content)
    for found in import_images(tmp_path, ["only"]).images:
        assert np.abs(found.astype(int) - smooth).max() <= 12


def test_file_of_terabytes(tmp_path):
    with open(tmp_path / "x.png", "wb") as file:
        file.truncate(2**40)  # takes no space on the disk
    (tmp_path / "manifest.csv").write_text("path,label\nx.png,0\n")
    with pytest.raises(InputError, match="row 2 .*has 1099511627776 bytes; allowed are at most"):
        import_images(tmp_path, ["only"])


KINDS = ("PNG", "JPEG", "TIFF", "GIF", "BMP", "WEBP", "PPM", "JPEG2000")


@pytest.mark.filterwarnings("ignore::UserWarning")  # Pillow's, of damaged tags
@pytest.mark.parametrize("kind", KINDS)
def test_image_cut_anywhere(tmp_path, kind):
    """Half an image never passes for a whole one."""
    (tmp_path / "manifest.csv").write_text("path,label\nx,0\n")
    content = encoded(kind)
    (tmp_path / "x").write_bytes(content)
    whole = import_images(tmp_path, ["only"]).images
    refused = 0
    lengths = range(0, len(content), max(1, len(content) // 40))
    for length in lengths:
        (tmp_path / "x").write_bytes(content[:length])
        try:
            assert (import_images(tmp_path, ["only"]).images == whole).all(), f"{length} bytes"
        except InputError:
            refused += 1
    assert refused >= 0.8 * len(lengths) >= 30


@pytest.mark.filterwarnings("ignore::UserWarning")
@pytest.mark.parametrize("kind", KINDS)
def test_mutated_images(tmp_path, kind):
    (tmp_path / "manifest.csv").write_text("path,label\nx,0\n")

    def read() -> None:
        (image,) = import_images(tmp_path, ["only"]).images
        assert image.dtype == np.uint8 and image.shape[0] == image.shape[1] and image.ndim == 3

    assert fuzz(encoded(kind), tmp_path / "x", read, 100)["refused"]


# Tables and arrays that one job leaves to the next


def test_mutated_catalogues(raw):
    path = raw.with_suffix(".csv")
    write_catalogue(raw, path, CLASSES)
    tried = fuzz(path.read_bytes(), path, lambda: read_catalogue(path), 150)
    assert tried["accepted"] and tried["refused"]


def test_mutated_splits(tmp_path):
    path = tmp_path / "split.csv"
    content = b"subset,index,label\ntest,0,0\ntrain,1,0\ntrain,2,1\nvalidation,3,1\n"

    def read() -> None:
        split = read_split(path)
        assert all((rows >= 0).all() for rows in split.values())

    tried = fuzz(content, path, read, 150)
    assert tried["accepted"] and tried["refused"]


def test_mutated_arrays(tmp_path):
    path = tmp_path / "images.npy"
    np.save(path, PIXELS)
    tried = fuzz(path.read_bytes(), path, lambda: open_images(path), 150)
    assert tried["accepted"] and tried["refused"]
    np.savez(tmp_path / "images.npz", PIXELS)
    with pytest.raises(InputError, match="not a readable array"):
        open_images(tmp_path / "images.npz")


def test_number_of_explicit_cases():
    cases = {"raw files": len(HDF5), "manifests": len(MANIFESTS), "images": 2 * len(IMAGES)}
    print(", ".join(f"{number} {kind}" for kind, number in cases.items()))
    assert cases["raw files"] >= 45 and cases["manifests"] >= 55 and cases["images"] >= 100
