"""Run Snakemake as a stage of dvc.yaml: `python workflow/run_stage.py STUDY SOURCE [TARGET]`.

DVC keeps what a stage has written (`persist`), so Snakemake decides what to run. It can do so only
with its own records, which travel with the results (.snakemake/metadata). Results without records,
or with the records of other results, would pass as up to date whatever has changed since; they are
refused here.
"""

import base64
import hashlib
import json
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


def altered(folder: Path) -> list[Path]:
    """Return the files under `folder` that are not those the records tell of.

    A record holds the digests of what its job has read. Whoever has read a file after it was made
    last has read the file that lies there now, or it has been replaced since. A file that no job
    reads, such as the report, cannot be told.
    """
    records = {path.name: json.loads(path.read_text()) for path in METADATA.glob("*")}
    found = set()
    digests: dict[str, str] = {}
    for reader in records.values():
        for name, digest in (reader.get("input_checksums") or {}).items():
            path = Path(name)
            maker = records.get(_record(path))
            if maker is None or not path.is_relative_to(folder) or not path.is_file():
                continue
            if maker["endtime"] > reader["starttime"] or (INCOMPLETE / _record(path)).exists():
                continue  # made anew since, or by a job that was killed
            if name not in digests:
                digests[name] = _digest(path)
            if digests[name] != digest:
                found.add(path)
    return sorted(found)


def _record(path: Path) -> str:
    """Return the name of Snakemake's record of an output file."""
    return base64.urlsafe_b64encode(str(path).encode()).decode()


def _digest(path: Path) -> str:
    """Return a file's digest as Snakemake writes it."""
    with open(path, "rb") as file:
        return f"sha256:{hashlib.file_digest(file, 'sha256').hexdigest()}"


def _named(paths: list[Path]) -> str:
    others = f" and {len(paths) - 1} more" if len(paths) > 1 else ""
    return f"{paths[0]}{others}"


def check(folders: list[Path]) -> None:
    """Stop unless the files under `folders` and Snakemake's records belong together."""
    missing = [path for folder in folders for path in unrecorded(folder)]
    if missing:
        sys.exit(
            f"error: {_named(missing)} came without Snakemake's records, so nobody can tell what "
            "they were made from. `dvc pull` without a path brings both; files of your own do not "
            f"belong in {' and '.join(map(str, folders))}."
        )
    changed = [path for folder in folders for path in altered(folder)]
    if changed:
        sys.exit(
            f"error: {_named(changed)} differs from what Snakemake's records tell: it was damaged, "
            "changed by hand or comes from another commit. `dvc checkout --force` without a path "
            "restores files and records; a file that is deleted is made anew."
        )


def main() -> None:
    """Check the records, then become Snakemake; with conda where it is installed."""
    study, source, *targets = sys.argv[1:]
    check([Path("data", source), Path("results", study)])
    conda = ["--sdm", "conda"] if shutil.which("conda") else []
    command = ["snakemake", *targets, "--cores", "all", *conda]
    os.execvp(sys.executable, [sys.executable, "-m", *command])


if __name__ == "__main__":
    main()
