"""`equimorph predict` of many images against the bare network: seconds, their ratio, peak memory.

python tests/benchmarks/predict.py IMAGES.h5 [--model FOLDER] [--turns 3]

One core. The bare network is the exported one as PyTorch lays it out, in batches of 64 of prepared
images. The command is timed whole; its start is what it takes for a single image.
"""

import argparse
import contextlib
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import h5py
import psutil
import torch

from equimorph.classify.classifier import MODEL
from equimorph.classify.shipped import find
from equimorph.models.export import export
from equimorph.models.trained import load_checkpoint

BATCH = 64


def bare_seconds(model: Path, images: Path) -> tuple[float, float]:
    """Return how long preparing the images takes, and how long the network."""
    checkpoint = load_checkpoint(model / MODEL)
    network = export(checkpoint.network).eval()
    with h5py.File(images) as file:
        pixels = file["images"][:]
    started = time.perf_counter()
    inputs = checkpoint.prepare(pixels)
    prepared = time.perf_counter() - started
    with torch.inference_mode():
        network(*(each[:BATCH] for each in inputs))
        started = time.perf_counter()
        for batch in zip(*(each.split(BATCH) for each in inputs), strict=True):
            network(*batch)
        return prepared, time.perf_counter() - started


def command_seconds(model: Path, images: Path, folder: Path) -> tuple[float, float]:
    """Return how long the command takes, and its peak memory in MB."""
    call = [sys.executable, "-m", "equimorph.app.cli", "predict", str(images)]
    table = folder / "found.csv"
    started = time.perf_counter()
    child = subprocess.Popen(
        [*call, "--model", str(model), "--output", str(table)],
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        stderr=subprocess.DEVNULL,
    )
    process, peak = psutil.Process(child.pid), 0
    while child.poll() is None:
        with contextlib.suppress(psutil.NoSuchProcess):
            peak = max(peak, process.memory_info().rss)
        time.sleep(0.05)
    if child.returncode:
        raise SystemExit(f"the command has failed with status {child.returncode}")
    return time.perf_counter() - started, peak / 1e6


def main() -> None:
    """Time both in turn and print the medians."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("images", type=Path)
    parser.add_argument("--model", default=None)
    parser.add_argument("--turns", type=int, default=3)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    model = find(arguments.model)
    prepared, bare, whole, start, memory = [], [], [], [], []
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        one = folder / "one.h5"
        with h5py.File(arguments.images) as file, h5py.File(one, "w") as single:
            count = len(file["images"])
            single["images"] = file["images"][:1]
        for _ in range(arguments.turns):
            preparing, network = bare_seconds(model, arguments.images)
            prepared.append(preparing)
            bare.append(network)
            start.append(command_seconds(model, one, folder)[0])
            seconds, peak = command_seconds(model, arguments.images, folder)
            whole.append(seconds)
            memory.append(peak)
    network, total, begun = (statistics.median(each) for each in (bare, whole, start))
    resized = network + statistics.median(prepared)
    print(f"{count} images, median of {arguments.turns} turns, one core")
    print(f"bare network {network:.2f} s, with its images prepared {resized:.2f} s")
    print(f"command {total:.2f} s ({network / total:.0%}), of which its start {begun:.2f} s")
    running = total - begun
    print(f"without the start {running:.2f} s ({network / running:.0%}, {resized / running:.0%})")
    print(f"peak memory {max(memory):.0f} MB")


if __name__ == "__main__":
    main()
