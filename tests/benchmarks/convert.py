"""Convert a generated file of Galaxy10's full shape: peak memory and time against a plain read.

Run it with `PYTHONPATH=workflow python tests/benchmarks/convert.py`; it needs 6.5 GB of disk.
"""

import argparse
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import h5py
import numpy as np

N_IMAGES = 17736
SIZE = 256
CHUNKS = (555, 16, 16, 1)
# VmHWM rather than getrusage: the latter starts from the parent's peak.
CONVERT = """
import sys
from equimorph.data.convert import convert
convert(*sys.argv[1:])
status = open("/proc/self/status").read()
print(status.split("VmHWM:")[1].split()[0])
"""


def blobs(n_images: int, seed: int = 0) -> Iterator[np.ndarray]:
    """Yield (≤ 555, 256, 256, 3) uint8 slices: blobs on noise, which gzip packs like Galaxy10."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[:SIZE, :SIZE] - SIZE / 2
    radius = np.hypot(y, x)
    shapes = [150 * np.exp(-radius / scale) for scale in rng.uniform(8, 40, 16)]
    gallery = np.stack(shapes).astype(np.uint8)[..., None]
    for start in range(0, n_images, CHUNKS[0]):
        n = min(CHUNKS[0], n_images - start)
        noise = rng.integers(0, 56, (n, SIZE, SIZE, 3), np.uint8)
        yield noise + gallery[rng.integers(0, len(gallery), n)]


def generate(path: Path, n_images: int) -> None:
    """Write a raw file with the shape, chunks and compression of Galaxy10_DECals.h5."""
    with h5py.File(path, "w") as file:
        images = file.create_dataset(
            "images",
            (n_images, SIZE, SIZE, 3),
            np.uint8,
            chunks=(min(CHUNKS[0], n_images), *CHUNKS[1:]),
            compression="gzip",
            compression_opts=1,
        )
        for index, part in enumerate(blobs(n_images)):
            images[index * CHUNKS[0] : index * CHUNKS[0] + len(part)] = part
        file["ans"] = np.arange(n_images, dtype=np.uint8) % 10
        for key in ("ra", "dec", "redshift", "pxscale"):
            file[key] = np.full(n_images, np.nan)


def read(path: Path) -> None:
    """Read the images once, in order, in slices that match the chunks."""
    with h5py.File(path) as file:
        images = file["images"]
        for start in range(0, len(images), CHUNKS[0]):
            images[start : start + CHUNKS[0]]


def check(raw: Path, converted: Path) -> None:
    """Compare the converted array with the raw file, slice by slice."""
    array = np.load(converted, mmap_mode="r")
    with h5py.File(raw) as file:
        assert array.shape == file["images"].shape and array.dtype == np.uint8
        for start in range(0, len(array), CHUNKS[0]):
            rows = np.s_[start : start + CHUNKS[0]]
            assert (array[rows] == file["images"][rows]).all(), f"slice at {start} differs"


def main() -> None:
    """Generate, convert, read, compare, and print the figures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--images", type=int, default=N_IMAGES, help="number of images")
    parser.add_argument("--folder", help="where the files go for the run; default: a temporary one")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=arguments.folder) as folder:
        raw, converted = (Path(folder, name) for name in ("raw.h5", "images.npy"))
        start = time.perf_counter()
        generate(raw, arguments.images)
        seconds = time.perf_counter() - start
        print(f"generated {raw.stat().st_size / 1e9:.2f} GB in {seconds:.1f} s", flush=True)

        start = time.perf_counter()
        read(raw)
        read_seconds = time.perf_counter() - start
        print(f"plain sequential read: {read_seconds:.1f} s", flush=True)

        start = time.perf_counter()
        command = [sys.executable, "-c", CONVERT, str(raw), str(converted)]
        child = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
        convert_seconds = time.perf_counter() - start
        print(
            f"convert: {convert_seconds:.1f} s, peak memory {int(child.stdout) / 2**20:.3f} GiB\n"
            f"convert / plain read: {convert_seconds / read_seconds:.2f}",
            flush=True,
        )
        check(raw, converted)
        print("the converted array equals the raw images")


if __name__ == "__main__":
    main()
