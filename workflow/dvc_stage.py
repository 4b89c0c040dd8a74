"""Run Snakemake as a stage of dvc.yaml: `python workflow/dvc_stage.py data`, or `results`.

DVC keeps what a stage has written (`persist`), so Snakemake decides what to run. It can do so only
with its own records, which travel with the results (equimorph/lineage/ledger.py). Results without
records, or files that the records do not describe, would count as up to date whatever has changed
since; they are refused here.
"""

import shutil
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from equimorph.data.places import PLACES, check_linked, own_data
from equimorph.errors import InputError
from equimorph.io import run
from equimorph.lineage.ledger import NAME, Ledger
from equimorph.lineage.records import Project, read_raw_records, read_records, record_name
from equimorph.study.config import check_config
from equimorph.study.recipes import pretrained_model, start_of
from equimorph.study.yaml_files import read_yaml
from run_study import release_left_lock, run_study

# Outputs of jobs that were killed; Snakemake knows them.
INCOMPLETE = Path(".snakemake/incomplete")
# Where files that a config names may lie: dvc.yaml knows them beforehand.
WATCHED = Path("workflow")
# May be put there by hand; the rule verify checks its digest.
PUBLISHED = Path("data/galaxy10/raw.h5")


def unrecorded(project: Project, folder: Path) -> list[Path]:
    """Return the files under `folder` that Snakemake knows nothing of."""
    return [
        path
        for path in sorted(folder.rglob("*"))
        if path.is_file()
        and Path(str(path).removesuffix(".part")) != PUBLISHED
        and not path.name.startswith(".")  # a temporary file that a killed job has left
        and path.name != NAME
        and str(path) not in project.records
        and not _of_a_killed_job(path)
    ]


def altered(project: Project, ledger: Ledger, folder: Path) -> list[Path]:
    """Return the files under `folder` whose content differs from what the ledger says."""
    records = {path: value for path, _, value in read_raw_records(project.folder)}
    return [
        Path(path)
        for path, entry in ledger.read().items()
        if Path(path).is_relative_to(folder)
        and entry.is_of(records.get(path, {}))  # else it was made again since
        and project.sha256(path) not in (None, entry.sha256)
        and not _of_a_killed_job(Path(path))
    ]


def _of_a_killed_job(path: Path) -> bool:
    return (INCOMPLETE / record_name(str(path))).exists()


def _named(paths: list[Path]) -> str:
    others = f" and {len(paths) - 1} more" if len(paths) > 1 else ""
    return f"{paths[0]}{others}"


def check(ledger: Ledger, folders: list[Path]) -> None:
    """Check that the files under `folders` and Snakemake's records belong together.

    Raises:
        InputError: they do not, or a record is damaged.
    """
    project = Project(Path(), read_records("."))
    missing = [path for folder in folders for path in unrecorded(project, folder)]
    if missing:
        raise InputError(
            f"{_named(missing)} came without Snakemake's records, so nobody can tell what "
            "they were made from. `dvc pull` without a path brings both; files of your own do not "
            f"belong in {' and '.join(map(str, folders))}."
        )
    changed = [path for folder in folders for path in altered(project, ledger, folder)]
    if changed:
        raise InputError(
            f"{_named(changed)} differs from what Snakemake's records tell: it was damaged, "
            "changed by hand or comes from another commit. `dvc checkout --force` without a path "
            "restores files and records; a file that is deleted is made anew."
        )


def check_watched(config: Mapping[str, Any]) -> None:
    """Check that DVC watches the files that a config names beside the data.

    Raises:
        InputError: it does not, and would take a study for up to date after an edit of one.
    """
    named = [("data.split.table", config["data"]["split"]["table"])]
    for model in config["train"]["models"]:
        begins = start_of(config["train"], model)
        if pretrained_model(begins, model) is None:
            named.append(("train.start_from", begins))
    for key, path in named:
        if path is not None and not Path(path).resolve().is_relative_to(WATCHED.resolve()):
            raise InputError(
                f"config: {key}: {path}: DVC does not watch this file, and would not see an edit "
                f"of it: put it below {WATCHED}, or call Snakemake, which does."
            )


def main() -> None:
    """Check the config and the records, then run Snakemake; with conda where it is installed."""
    if sys.argv[1:] not in (["data"], ["results"]):
        raise InputError(f"{' '.join(sys.argv[1:]) or 'no stage'}: allowed are data, results.")
    # Read here: no value of a config passes through the shell that DVC starts.
    config = read_yaml("config.yaml")
    check_config(config, read_yaml("workflow/schemas/config.schema.yaml"), ["config.yaml"])
    source, ledger = config["data"]["source"], Ledger(Path(), config["study"])
    if source in PLACES:
        check_linked(source, own_data(config["data"]))
    check_watched(config)
    release_left_lock()
    ledger.give_back()
    check(ledger, [Path("data", source), Path("results", config["study"])])
    conda = ["--sdm", "conda"] if shutil.which("conda") else []
    if sys.argv[1] == "results":
        status = run_study(conda)
        ledger.close(source)  # also if there is nothing to do after a killed run
    else:
        command = [sys.executable, "-m", "snakemake", "data", "--cores", "all", *conda]
        status = subprocess.run(command).returncode
    sys.exit(status)


if __name__ == "__main__":
    run(main)
