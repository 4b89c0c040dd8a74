"""Tests of raw files that lie about what they hold: nothing is unpacked on their word."""

import resource
import subprocess
import sys
import zlib
from pathlib import Path

import h5py
import numpy as np
import pytest

from equimorph.data.raw import RAW_KEYS, open_raw, write_raw
from equimorph.data.verify import verify
from equimorph.errors import InputError
from tests.conftest import ROOT

N, SIDE = 6, 16
SHAPE = (N, SIDE, SIDE, 3)
CHUNK = (N, SIDE, SIDE, 3)
CHUNK_BYTES = N * SIDE * SIDE * 3
DEFLATE, FLETCHER32 = h5py.h5z.FILTER_DEFLATE, h5py.h5z.FILTER_FLETCHER32


@pytest.fixture
def raw(tmp_path) -> Path:
    """A sound raw file: six images of 16 px, one class."""
    images = np.random.default_rng(0).integers(0, 256, SHAPE, np.uint8)
    path = tmp_path / "raw.h5"
    write_raw(path, images, np.zeros(N), *np.full((4, N), np.nan))
    return path


def packed(path: Path, content: bytes, mask: int = 0, **options) -> None:
    """Replace the images by one gzip chunk with this very content."""
    with h5py.File(path, "a") as file:
        del file["images"]
        images = file.create_dataset("images", SHAPE, "u1", chunks=CHUNK, compression=4, **options)
        images.id.write_direct_chunk((0, 0, 0, 0), content, mask)


def refused(path: Path, message: str) -> None:
    with pytest.raises(InputError, match=message) as caught:
        verify(path, 1)
    assert str(caught.value).startswith(f"{path}: key '")


def test_a_sound_chunk(raw):
    packed(raw, zlib.compress(bytes(range(256)) * (CHUNK_BYTES // 256)))
    assert verify(raw, 1)["images"] == N


def test_a_chunk_that_is_not_packed(raw):
    packed(raw, bytes(CHUNK_BYTES), mask=1)
    assert verify(raw, 1)["images"] == N


def test_check_sums_and_shuffling(raw):
    with h5py.File(raw, "a") as file:
        images = file.pop("images")[:]
        options = {"shuffle": True, "fletcher32": True, "compression": 1}
        file.create_dataset("images", data=images, chunks=(4, 5, 6, 2), **options)
        redshift = file.pop("redshift")[:]
        file.create_dataset("redshift", data=redshift, chunks=(4,), **options)
    assert verify(raw, 1)["images"] == N


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (zlib.compress(bytes(2**26)), "'images': the chunk at .0, 0, 0, 0. unpacks to more than"),
        (zlib.compress(bytes(CHUNK_BYTES + 1)), "unpacks to more than the 4608 bytes"),
        (zlib.compress(bytes(CHUNK_BYTES - 1)), "unpacks to less than the 4608 bytes"),
        (zlib.compress(bytes(CHUNK_BYTES))[:-9], "cannot be unpacked"),
        (b"not packed", "cannot be unpacked"),
    ],
    ids=["a bomb", "a byte more", "a byte less", "cut short", "none"],
)
def test_a_chunk_of_another_length_than_its_shape(raw, content, message):
    packed(raw, content)
    refused(raw, message)


def test_a_chunk_that_is_packed_twice(raw):
    """Two passes of gzip pack a gigabyte into a kilobyte."""
    with h5py.File(raw, "a") as file:
        del file["images"]
        plist = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
        plist.set_chunk(CHUNK)
        plist.set_deflate(4)
        plist.set_deflate(4)
        space = h5py.h5s.create_simple(SHAPE)
        images = h5py.h5d.create(file.id, b"images", h5py.h5t.NATIVE_UINT8, space, plist)
        images.write_direct_chunk((0, 0, 0, 0), zlib.compress(zlib.compress(bytes(2**26))))
    refused(raw, "unpacks to more than")


MEASURE = """
import resource, sys
from equimorph.data.verify import verify
from equimorph.errors import InputError
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
try:
    verify(sys.argv[1], 1)
except InputError as error:
    print(error, file=sys.stderr)
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)
"""


def grown(path: Path) -> tuple[int, str]:
    """Return by how much verifying a file has grown a process, in bytes, and what it said."""
    command = [sys.executable, "-c", MEASURE, str(path)]
    environment = {"PYTHONPATH": str(ROOT / "workflow")}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    kibibytes = 1 if sys.platform == "darwin" else 1024
    return int(done.stdout) * kibibytes, done.stderr


@pytest.mark.skipif(not hasattr(resource, "RUSAGE_SELF"), reason="asks the system for its memory")
def test_a_bomb_takes_no_more_memory_than_its_shape(raw):
    packed(raw, zlib.compress(bytes(2**28)))
    bytes_more, said = grown(raw)
    assert "unpacks to more" in said
    assert bytes_more < 2**26


def test_a_megabyte_that_unpacks_to_a_gigabyte(raw):
    chunk = (1000, 64, 64, 3)
    content = zlib.compress(bytes(int(np.prod(chunk))))
    with h5py.File(raw, "a") as file:
        for key in RAW_KEYS:
            kind = file.pop(key).dtype
            if key != "images":
                file.create_dataset(key, data=np.zeros(80_000, kind), compression=9, chunks=True)
        images = file.create_dataset(
            "images", (80_000, 64, 64, 3), "u1", chunks=chunk, compression=4
        )
        for start in range(0, 80_000, 1000):
            images.id.write_direct_chunk((start, 0, 0, 0), content)
    assert raw.stat().st_size < 2**21
    refused(raw, "'images': claims 983040000 bytes, more than images in a file of")


@pytest.mark.parametrize("key", RAW_KEYS[1:])
def test_a_column_of_gigabytes(raw, key):
    with h5py.File(raw, "a") as file:
        kind = file.pop(key).dtype
        file.create_dataset(key, (675_000_000,), kind, chunks=(10_000,), compression=4)
        file[key][:10_000] = 0
    with pytest.raises(InputError, match=f"'{key}': the shape is .* allowed are at most 4194304"):
        open_raw(raw).__enter__()


# What was never written


def unwritten(path: Path, key: str, written: slice | None, **options) -> None:
    """Replace an array by one of which only some rows are written, and the others not filled."""
    with h5py.File(path, "a") as file:
        values = file.pop(key)[:]
        plist = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
        plist.set_fill_time(h5py.h5d.FILL_TIME_NEVER)
        if chunks := options.get("chunks"):
            plist.set_chunk(chunks)
        space = h5py.h5s.create_simple(values.shape)
        kind = h5py.h5t.py_create(values.dtype)
        h5py.h5d.create(file.id, key.encode(), kind, space, plist)
        if written:
            file[key][written] = values[written]


def test_images_of_which_a_chunk_was_never_written(raw):
    unwritten(raw, "images", slice(0, 4), chunks=(2, SIDE, SIDE, 3))
    refused(raw, "'images': 1 of 3 chunks were never written")


@pytest.mark.parametrize("key", RAW_KEYS)
@pytest.mark.parametrize("chunked", [True, False])
def test_an_array_that_was_never_written(raw, key, chunked):
    with h5py.File(raw) as file:
        shape = file[key].shape
    unwritten(raw, key, None, **({"chunks": shape} if chunked else {}))
    refused(raw, f"'{key}': (1 of 1 chunks|the values) were never written")


def test_an_array_that_was_written_whole(raw):
    unwritten(raw, "images", slice(None), chunks=(4, 5, 5, 2))
    assert verify(raw, 1)["images"] == N
