"""Run Snakemake as a stage of dvc.yaml: `python workflow/run_stage.py STUDY SOURCE [TARGET]`.

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
INCOMPLETE = Path(".snakemake/incomplete")  # outputs of jobs that were killed; Snakemake knows them


def unrecorded(folder: Path) -> list[Path]:
    """Return the files under `folder` that Snakemake knows nothing of."""
    return [
        path
        for path in sorted(folder.rglob("*"))
        if path.is_file()
        and not path.name.startswith(".")  # a temporary file that a killed job has left
        and not (METADATA / _record(path)).exists()
        and not (INCOMPLETE / _record(path)).exists()
    ]


def _record(path: Path) -> str:
    """Return the name of Snakemake's record of an output file."""
    return base64.urlsafe_b64encode(str(path).encode()).decode()


def main() -> None:
    """Check the records, then become Snakemake; with conda where it is installed."""
    study, source, *targets = sys.argv[1:]
    missing = [*unrecorded(Path("data", source)), *unrecorded(Path("results", study))]
    if missing:
        others = f" and {len(missing) - 1} more" if len(missing) > 1 else ""
        sys.exit(
            f"error: {missing[0]}{others} came without Snakemake's records, so nobody can tell "
            "what they were made from. `dvc pull` without a path brings both; files of your own "
            f"do not belong in data/{source} and results/{study}."
        )
    conda = ["--sdm", "conda"] if shutil.which("conda") else []
    command = ["snakemake", *targets, "--cores", "all", *conda]
    os.execvp(sys.executable, [sys.executable, "-m", *command])


if __name__ == "__main__":
    main()
