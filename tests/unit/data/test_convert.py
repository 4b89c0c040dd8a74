"""Tests of the conversion from HDF5 to a memory-mappable array."""

import math
import os
import subprocess
import sys
from pathlib import Path

import h5py
import numpy as np
import pytest

from equimorph.data.convert import convert
from equimorph.errors import InputError
from tests.conftest import ROOT

SCRIPTS = ROOT / "workflow/scripts/data"
NAMES = ("Merging", "Disturbed, faint", "Edge-on")
COLUMNS = ("ra", "dec", "redshift", "pxscale")


def write_chunked(path: Path, images: np.ndarray, chunks: tuple | None) -> None:
    """Write a raw file with the given chunks, gzip where there are any."""
    rng = np.random.default_rng(1)
    with h5py.File(path, "w") as file:
        packed = {"chunks": chunks, "compression": "gzip"} if chunks else {}
        file.create_dataset("images", data=images, **packed)
        file["ans"] = np.arange(len(images), dtype=np.uint8) % 3
        for key in COLUMNS:
            file[key] = rng.uniform(0, 90, len(images))


def noise(n: int, size: int = 16) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (n, size, size, 3), np.uint8)


@pytest.mark.parametrize("chunks", [None, (1, 16, 16, 3), (7, 4, 4, 1), (23, 16, 16, 1)])
@pytest.mark.parametrize("slice_images", [1, 5, 10, 14, 100])
def test_images_are_copied_whatever_the_chunks(tmp_path, chunks, slice_images):
    images = noise(23)
    write_chunked(tmp_path / "raw.h5", images, chunks)
    convert(tmp_path / "raw.h5", tmp_path / "a.npy", slice_bytes=slice_images * 16 * 16 * 3)
    array = np.load(tmp_path / "a.npy", mmap_mode="r")
    assert isinstance(array, np.memmap) and array.dtype == np.uint8
    assert array.shape == images.shape and (array == images).all()


def test_damaged_chunk_leaves_nothing_behind(tmp_path):
    raw = tmp_path / "raw.h5"
    write_chunked(raw, noise(20), (5, 16, 16, 3))
    with h5py.File(raw) as file:
        chunk = file["images"].id.get_chunk_info_by_coord((10, 0, 0, 0))
    with open(raw, "r+b") as file:
        file.seek(chunk.byte_offset)
        file.write(bytes(chunk.size))
    with pytest.raises(InputError, match="'images': rows 10 to 14 cannot be unpacked"):
        convert(raw, tmp_path / "a.npy", slice_bytes=5 * 16 * 16 * 3)
    assert os.listdir(tmp_path) == ["raw.h5"]


MEASURE = """
import sys
from equimorph.data.convert import convert

def memory(key):
    return int(open("/proc/self/status").read().split(key + ":")[1].split()[0]) * 1024

before = memory("VmRSS")
convert(*sys.argv[1:], slice_bytes=16 * 2**20)
print(memory("VmHWM") - before)
"""


@pytest.mark.skipif(not os.path.exists("/proc/self/status"), reason="reads Linux's /proc")
def test_peak_memory_does_not_grow_with_the_file(tmp_path):
    n, size = 1000, 256
    shape = (n, size, size, 3)
    with h5py.File(tmp_path / "raw.h5", "w") as file:
        file.create_dataset("images", shape, np.uint8, chunks=(60, 64, 64, 1), compression=1)
        image = noise(1, size) // 64 * 64
        part = image.repeat(60, axis=0)  # h5py would broadcast by writing image by image
        for start in range(0, n, 60):
            file["images"][start : start + 60] = part[: n - start]
        file["ans"] = np.zeros(n, np.uint8)
        for key in COLUMNS:
            file[key] = np.zeros(n)
    paths = [str(tmp_path / name) for name in ("raw.h5", "images.npy")]
    child = subprocess.run(
        [sys.executable, "-c", MEASURE, *paths],
        env=os.environ | {"PYTHONPATH": str(SCRIPTS.parents[1])},
        check=True,
        capture_output=True,
        text=True,
    )
    grown = int(child.stdout)
    assert grown < 48 * 2**20 < math.prod(shape) / 3
    assert (np.load(paths[1], mmap_mode="r")[::199] == image).all()


def run_script(name, *arguments):
    environment = os.environ | {"PYTHONPATH": str(SCRIPTS.parents[1])}
    command = [sys.executable, SCRIPTS / name, *arguments]
    return subprocess.run(command, env=environment, capture_output=True, text=True)


def test_scripts(tmp_path):
    raw, images, table = (tmp_path / name for name in ("raw.h5", "work/images.npy", "c.csv"))
    write_chunked(raw, noise(5), None)
    done = run_script("convert.py", "--raw", raw, "--images", images)
    assert done.returncode == 0, done.stderr
    assert (np.load(images) == noise(5)).all()
    arguments = ["--raw", raw, "--catalogue", table, "--class-names"]
    done = run_script("catalogue.py", *arguments, *NAMES)
    assert done.returncode == 0, done.stderr
    assert f"0,0,{NAMES[0]}," in table.read_text()
    done = run_script("catalogue.py", *arguments, "only one")
    assert done.returncode == 1
    assert "error: " in done.stderr and "Traceback" not in done.stderr
