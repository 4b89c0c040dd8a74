"""Where a result comes from: commit, sources, versions, hardware."""

import hashlib
import json
import os
import platform
import subprocess
from collections.abc import Iterable
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from equimorph.io import sha256_of

# Keys of what `stamp` returns.
STAMP = ("commit", "dirty", "versions", "hardware")
DVC_LOCK = "dvc.lock"
PACKAGES = ("torch", "escnn", "numpy", "scipy", "h5py", "scikit-learn", "snakemake")


def commit() -> dict[str, Any]:
    """Return the git commit and whether tracked files differ from it; None outside a checkout.

    The checkout must be the folder that the job runs in, not another repository around it. dvc.lock
    does not count, since `dvc repro` changes it after each stage.
    """
    others = (":/", f":(top,exclude){DVC_LOCK}")
    try:
        if Path(_git("rev-parse", "--show-toplevel")).resolve() != Path.cwd().resolve():
            return {"commit": None, "dirty": None}
        head = _git("rev-parse", "HEAD")
        dirty = bool(_git("status", "--porcelain", "--untracked-files=no", "--", *others))
    except (OSError, subprocess.CalledProcessError):
        return {"commit": None, "dirty": None}
    return {"commit": head, "dirty": dirty}


def _git(*arguments: str) -> str:
    return subprocess.run(
        ["git", *arguments], capture_output=True, text=True, check=True
    ).stdout.strip()


def versions() -> dict[str, str]:
    """Return the versions of Python and of the packages that results depend on."""
    found = {"python": platform.python_version()}
    for package in PACKAGES:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            continue
    return found


def hardware(device: str, threads: int) -> dict[str, Any]:
    """Return what the job ran on: cpu, cores, device, threads and, where it is the device, gpu."""
    model = platform.processor() or platform.machine()
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.exists():
        for line in cpuinfo.read_text().splitlines():
            if line.startswith("model name"):
                model = line.split(":", 1)[1].strip()
                break
    found = {"cpu": model, "cores": os.cpu_count(), "device": device, "threads": threads}
    if device.startswith("cuda"):
        import torch  # slow, and most jobs do without

        found["gpu"] = torch.cuda.get_device_name(device)
    return found


def stamp(device: str, threads: int) -> dict[str, Any]:
    """Return how a result was made: commit, dirty, versions, hardware."""
    return {**commit(), "versions": versions(), "hardware": hardware(device, threads)}


def digest(value: Any, files: Iterable[str | Path] = ()) -> str:
    """Return the SHA-256 of a JSON value and of the contents of files, in their order."""
    total = hashlib.sha256(json.dumps(value, sort_keys=True).encode())
    for path in files:
        total.update(bytes.fromhex(sha256_of(path)))
    return total.hexdigest()
