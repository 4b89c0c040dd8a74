"""Plan the full study with `snakemake -n`: seconds against the number of jobs.

Run it with `python tests/benchmarks/large_dag.py`. The study is the preset galaxy10 with 1 to 20
seeds. Nothing is downloaded and nothing
trained. `all to do` plans a study of which nothing is there, `nothing to do` one whose files are
all there (empty ones, with the records that Snakemake would have kept of them). Seconds of CPU time
say more than those of the clock where other jobs are running.
"""

import argparse
import os
import re
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import yaml

ROOT = Path(__file__).resolve().parents[2]

PRESET = "workflow/presets/galaxy10.yaml"
PARTS = ("Snakefile", "config.yaml", "envs", "profiles", "workflow")
SEEDS = (1, 2, 5, 10, 20)


def copy_project(folder: Path) -> None:
    """Copy what Snakemake reads, so that no result and no record of the repository counts."""
    for part in PARTS:
        if (ROOT / part).is_dir():
            ignore = shutil.ignore_patterns("__pycache__")
            shutil.copytree(ROOT / part, folder / part, ignore=ignore)
        else:
            shutil.copy2(ROOT / part, folder / part)


def write_study(folder: Path, seeds: int) -> None:
    """Write the overlay that sets the number of seeds."""
    (folder / "full.yaml").write_text(yaml.safe_dump({"train": {"seeds": list(range(seeds))}}))


def snakemake(folder: Path, *arguments: str) -> tuple[str, float, float]:
    """Run snakemake on the study; return its output, CPU seconds and seconds."""
    before, start = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    done = subprocess.run(
        ["snakemake", "--cores", "2", "--configfile", PRESET, "full.yaml", *arguments],
        cwd=folder,
        env={**os.environ, "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    seconds = time.perf_counter() - start
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    if done.returncode:
        sys.exit(done.stdout[-4000:])
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return done.stdout, cpu, seconds


def finish(folder: Path) -> None:
    """Make every file of the study, empty, and let Snakemake record that it is up to date."""
    table, _, _ = snakemake(folder, "--summary")
    for line in table.splitlines():
        path = folder / line.split("\t")[0]
        if "\t" in line and not line.startswith("output_file"):
            path.parent.mkdir(parents=True, exist_ok=True)
            path.touch()
    snakemake(folder, "--touch", "--forceall")


def main() -> None:
    """Print a table, one row per number of seeds."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", nargs="+", type=int, default=SEEDS, help="rows of the table")
    arguments = parser.parse_args()
    print(f"{'':14}{'all to do':>20}{'nothing to do':>20}")
    print(f"{'seeds':>6}{'jobs':>8}" + f"{'CPU s':>10}{'s':>10}" * 2)
    for seeds in arguments.seeds:
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name)
            copy_project(folder)
            write_study(folder, seeds)
            text, *planning = snakemake(folder, "-n", "--quiet", "rules")
            jobs = int(re.search(r"^total\s+(\d+)", text, re.MULTILINE)[1])
            finish(folder)
            text, *checking = snakemake(folder, "-n")
            if "Nothing to be done" not in text:
                sys.exit(text[-4000:])
            figures = "".join(f"{value:10.1f}" for value in (*planning, *checking))
            print(f"{seeds:6}{jobs:8}{figures}", flush=True)


if __name__ == "__main__":
    main()
