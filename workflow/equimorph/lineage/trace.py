"""Trace a result back to the raw file: the jobs in between, and whether any file has changed since.

Snakemake records for every file that a job made the command, its settings and the SHA-256 of every
input: data, script, modules, environment. The records travel with the results, in the study's
    ledger, which also holds the digests of files that no later job has read. Trainings write
    commit, versions and hardware into their run.json.
"""

import json
import os
from collections import defaultdict
from collections.abc import Iterable
from graphlib import CycleError, TopologicalSorter
from pathlib import Path
from typing import Any

from equimorph.errors import InputError
from equimorph.io import read_json
from equimorph.lineage.commits import Commits
from equimorph.lineage.ledger import NAME, Ledger
from equimorph.lineage.records import METADATA, Project, Record, read_raw_records, read_records
from equimorph.provenance import STAMP, digest


def trace(path: str | Path) -> dict[str, Any]:
    """Follow a result back to the raw file and check every digest on the way.

    Args:
        path: a file that the workflow made, or a folder of such files.

    Returns:
        `targets`; `jobs`, the last first; `stamps`, what files on the way say of commit, versions
        and hardware; `raw` and `split`, digests by path; `checked`, the number of digests compared;
        `problems`, a sentence each. Ready for JSON.

    Raises:
        InputError: no such file, or Snakemake has no record of it.
    """
    project, targets = _find(Path(path))
    order = _back_to_raw(project, targets)
    checked, problems = _check(project, targets, order)
    raw, split = _beginnings(project, order)
    known = {n: _known_digest(project, order, n) for n in (*raw, *split)}
    stamps, claims = _read_claims(project, order)
    for name, kind, claimed in claims:
        allowed = [known[n] for n in (raw if kind == "raw file" else split)]
        checked += bool(allowed)
        if allowed and claimed not in allowed:
            problems.append(f"{name}: names the {kind} {claimed}, which is {allowed[0]}.")
    return {
        "targets": {name: project.sha256(name) for name in targets},
        "jobs": _jobs(project, order),
        "stamps": stamps,
        "raw": {name: known[name] for name in raw},
        "split": {name: known[name] for name in split},
        "checked": checked,
        "problems": problems,
    }


def _beginnings(project: Project, order: Iterable[str]) -> tuple[list[str], list[str]]:
    """Return the raw files and the splits; those of a pretraining are simulated in one job."""
    raw, split = [], []
    for name in order:
        rule, simulated = project.records[name].rule, "simulate_pretraining"
        if name.endswith("/raw.h5") or (rule == simulated and name.endswith("/images.npy")):
            raw.append(name)
        if rule in ("split", simulated) and Path(name).name.startswith("split"):
            split += [name] if name.endswith(".csv") else []
    return raw, split


def _find(path: Path) -> tuple[Project, list[str]]:
    """Return the project that a result belongs to, and the recorded files that are meant."""
    # Not resolved: DVC may be set to put links to its cache in place of the files.
    place = Path(os.path.abspath(path))
    folder = next((f for f in place.parents if (f / METADATA).is_dir() or _ledgers(f)), None)
    if folder is None and not place.exists():
        raise InputError(f"{path}: there is no such file.")
    if folder is None:
        raise InputError(
            f"{path}: no folder above it has Snakemake's records ({METADATA}); `dvc pull` without "
            "a path brings them."
        )
    for ledger in _ledgers(folder):
        ledger.give_back()
    project = Project(folder, read_records(folder))
    name = place.relative_to(folder).as_posix()
    targets = [p for p in sorted(project.records) if p == name or p.startswith(f"{name}/")]
    if not targets and not place.exists():
        raise InputError(f"{path}: there is no such file.")
    if not targets:
        raise InputError(
            f"{path}: Snakemake has no record of it: either no job made it, or it came without its "
            "records, which `dvc pull` without a path brings."
        )
    return project, targets


def _ledgers(folder: Path) -> list[Ledger]:
    """Return the ledgers of a project's studies."""
    return [Ledger(folder, file.parent.name) for file in sorted(folder.glob(f"results/*/{NAME}"))]


def _back_to_raw(project: Project, targets: Iterable[str]) -> list[str]:
    """Return the targets and all recorded files they were made from, each before its inputs."""
    graph: dict[str, list[str]] = {}
    waiting = list(targets)
    while waiting:
        name = waiting.pop()
        if name not in graph:
            graph[name] = project.data(project.records[name])
            waiting += graph[name]
    try:
        return list(TopologicalSorter(graph).static_order())[::-1]
    except CycleError as error:
        raise InputError(
            f"{project.folder / METADATA}: the records say that {error.args[1][0]} was made from "
            "itself."
        ) from error


def _check(project: Project, targets: list[str], order: list[str]) -> tuple[int, list[str]]:
    """Compare every recorded digest with the file; absent files are not a problem."""
    recorded: dict[str, dict[str, str]] = defaultdict(dict)  # digest and who names it, by path
    for name in order:
        for path, sha256 in project.records[name].digests.items():
            recorded[path].setdefault(sha256, name)
    # What later jobs read of a target, unless the target was made again since.
    wanted = set(targets)
    for reader in project.records.values():
        for path in wanted & reader.digests.keys():
            if reader.started >= project.records[path].ended:
                recorded[path].setdefault(reader.digests[path], reader.path)
    problems = []
    for path, by_digest in recorded.items():
        now = project.sha256(path)
        problems += [
            f"{path}: the sha256 is {now}, but it was {sha256} when {who} was made."
            for sha256, who in by_digest.items()
            if now not in (None, sha256)
        ]
    checked = sum(map(len, recorded.values()))
    for path, sha256 in _listed(project).items():
        if path in order and path not in recorded and (now := project.sha256(path)):
            checked += 1
            if now != sha256:
                problems.append(f"{path}: the sha256 is {now}, but the ledger has {sha256}.")
    return checked, problems


def _listed(project: Project) -> dict[str, str]:
    """Return the digests that ledgers hold of files that were not made since."""
    records = {path: value for path, _, value in read_raw_records(project.folder)}
    return {
        path: entry.sha256
        for ledger in _ledgers(project.folder)
        for path, entry in ledger.read().items()
        if entry.sha256 and entry.is_of(records.get(path, {}))
    }


def _known_digest(project: Project, order: list[str], path: str) -> str | None:
    """Return the SHA-256 of a file as the first job read it; else its present one."""
    readers = (project.records[name].digests.get(path) for name in order)
    return next(filter(None, readers), project.sha256(path))


def _read_claims(
    project: Project, order: list[str]
) -> tuple[list[dict[str, Any]], list[tuple[str, str, str]]]:
    """Return what files say of themselves: where they were made, and from which raw file and split.

    The claims are (file, `raw file` or `split`, SHA-256).
    """
    stamps, claims = [], []
    for name in order:
        value = _facts(project.folder / name)
        rule = project.records[name].rule
        if value.keys() >= set(STAMP) and isinstance(value["versions"], dict):
            keys = (*STAMP, "job_sha256", "device")
            stamps.append({"path": name, **{key: value[key] for key in keys if key in value}})
        split, data = value.get("split"), value.get("data")
        named = {
            "raw file": value.get("sha256" if rule == "verify" else "data_sha256")
            or (data.get("sha256") if isinstance(data, dict) else None),
            "split": value.get("sha256" if rule == "split" else "split_sha256")
            or (split.get("sha256") if isinstance(split, dict) else None),
        }
        claims += [(name, kind, sha256) for kind, sha256 in named.items() if sha256]
    return stamps, claims


def _facts(path: Path) -> dict[str, Any]:
    """Return a JSON file's content, or the metadata of a model; {} of any other file."""
    value: Any = {}
    if path.suffix == ".json" and path.is_file():
        value = read_json(path)
    elif path.suffix == ".safetensors" and path.is_file():
        try:
            with open(path, "rb") as file:
                length = int.from_bytes(file.read(8), "little")
                header = json.loads(file.read(min(length, path.stat().st_size)))
            value = json.loads(next(iter(header["__metadata__"].values())))
        except (AttributeError, KeyError, StopIteration, TypeError, ValueError) as error:
            raise InputError(f"{path}: not a model of equimorph ({error}).") from error
    return value if isinstance(value, dict) else {}


def _jobs(project: Project, order: list[str]) -> list[dict[str, Any]]:
    """Describe the jobs, the last first; those of one rule and the same sources together."""
    groups: dict[tuple[str, str], list[Record]] = defaultdict(list)
    for name in order:
        record = project.records[name]
        groups[record.rule, digest(project.sources(record))].append(record)
    commits = Commits(project.folder)
    described = []
    for (rule, sources_sha256), records in groups.items():
        sources = project.sources(records[0])
        described.append(
            {
                "rule": rule,
                "jobs": len({record.command for record in records}),
                "commands": sorted({record.command for record in records}),
                "config_sha256": digest(sorted({record.settings for record in records})),
                "sources": sources,
                "sources_sha256": sources_sha256,
                **commits.of(sources),
                "ended": max(record.ended for record in records).isoformat(timespec="seconds"),
                "made": {record.path: project.sha256(record.path) for record in records},
                "from": {
                    path: record.digests.get(path)
                    for record in records
                    for path in project.data(record)
                },
            }
        )
    return described
