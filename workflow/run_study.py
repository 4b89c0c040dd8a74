"""Run a study: `python workflow/run_study.py [OPTION…]`, or `make results`.

The options are Snakemake's. Snakemake is called twice: for the images alone (docs/sharing.md says
why), then for everything. A lock that a killed run has left is released first, if no run is alive.
"""

import argparse
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import psutil

from equimorph.errors import InputError
from equimorph.io import run
from equimorph.study.yaml_files import read_yaml

PRESETS = Path("workflow/presets")
LOCKS = Path(".snakemake/locks")


def run_study(options: list[str]) -> int:
    """Run Snakemake for the images, then for everything; return its exit status.

    Raises:
        InputError: a config cannot be read, or another run is alive in this folder.
    """
    check_readable(options)
    release_left_lock()
    program = [sys.executable, "-m", "snakemake"]
    options = ["--cores", "all", *options]
    # The target first: an option such as --sdm would take it for one of its values.
    images = subprocess.run([*program, "images", *options]).returncode
    return images or subprocess.run([*program, *options]).returncode


def check_readable(options: Sequence[str]) -> None:
    """Check that config.yaml and the overlays can be read; Snakemake would show a traceback.

    Raises:
        InputError: one cannot be; of a preset that there is not, with those that there are.
    """
    parser = argparse.ArgumentParser(add_help=False, allow_abbrev=False)
    parser.add_argument("--configfile", "--configfiles", nargs="+", default=[])
    for path in map(Path, ["config.yaml", *parser.parse_known_args(options)[0].configfile]):
        if path.is_relative_to(PRESETS) and not path.is_file():
            known = sorted(
                str(p.relative_to(PRESETS).with_suffix("")) for p in PRESETS.rglob("*.yaml")
            )
            raise InputError(f"{path}: there is no such preset; allowed are {', '.join(known)}.")
        read_yaml(path)


def release_left_lock() -> None:
    """Remove Snakemake's lock on this folder if the run that took it is gone.

    A killed run leaves its lock, and perhaps jobs that still write; Snakemake cannot tell a lock
    that was left from one that is held.

    Raises:
        InputError: a run, or a job of one, is alive; the message names it.
    """
    if not (LOCKS.is_dir() and any(LOCKS.iterdir())):
        return
    if alive := living_run(Path.cwd()):
        raise InputError(
            f"another run is alive in {Path.cwd()}: {alive.name()}, process {alive.pid}; wait "
            "until it ends, or end it."
        )
    print(f"The lock that a killed run left in {LOCKS} is released.", flush=True)
    subprocess.run([sys.executable, "-m", "snakemake", "--unlock"], check=True)


def living_run(folder: Path) -> psutil.Process | None:
    """Return a process of a run in `folder`: Snakemake, or a script that it has started.

    A program that has one of their files open, such as an editor, is neither.
    """
    own = {process.pid for process in [psutil.Process(), *psutil.Process().parents()]}
    for process in psutil.process_iter():
        try:
            words = " ".join(process.cmdline())
            runs = "snakemake" in words or "workflow/scripts/" in words
            python = Path(process.exe()).name.startswith("python")
            if runs and python and process.pid not in own and Path(process.cwd()) == folder:
                return process
        except (psutil.NoSuchProcess, psutil.AccessDenied):
            continue
    return None


if __name__ == "__main__":
    run(lambda: sys.exit(run_study(sys.argv[1:])))
