"""Run Snakemake as a stage of dvc.yaml: `python workflow/run_stage.py STUDY [TARGET]`.

DVC keeps what a stage has written (`persist`), so Snakemake decides what to run. It can do so only
with its own records, which travel with the results (.snakemake/metadata). Results without records
would pass as up to date whatever has changed since; they are refused here.
"""

import base64
import os
import shutil
import sys
from pathlib import Path

METADATA = Path(".snakemake/metadata")


def unrecorded(folder: Path) -> list[Path]:
    """Return the files under `folder` that Snakemake has no record of."""
    return [
        path
        for path in sorted(folder.rglob("*"))
        if path.is_file() and not (METADATA / _record(path)).is_file()
    ]


def _record(path: Path) -> str:
    """Return the name of Snakemake's record of an output file."""
    return base64.b64encode(str(path).encode()).decode()


def main() -> None:
    """Check the records, then become Snakemake; with conda where it is installed."""
    study, *targets = sys.argv[1:]
    missing = unrecorded(Path("results", study))
    if missing:
        sys.exit(
            f"error: {missing[0]} (and {len(missing) - 1} more) came without Snakemake's records, "
            "so nobody can tell what they were made from. Get both with `dvc pull`, or delete "
            f"results/{study} to run the study anew."
        )
    conda = ["--sdm", "conda"] if shutil.which("conda") else []
    command = ["snakemake", "--cores", "all", *conda, *targets]
    os.execvp(sys.executable, [sys.executable, "-m", *command])


if __name__ == "__main__":
    main()
