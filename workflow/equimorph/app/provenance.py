"""Where a result comes from: the jobs from the raw file to it, and whether its files still hold.

Snakemake records for every file that a job made the command, its settings and the SHA-256 of every
input: data, script, modules, environment. The records travel with the results. DVC's listing of the
published files vouches for those that no later job has read. Trainings name the commit, the
versions and the hardware themselves, in run.json.
"""

import hashlib
import json
import os
import subprocess
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from graphlib import CycleError, TopologicalSorter
from pathlib import Path, PurePosixPath
from typing import Any

from equimorph.config import read_yaml
from equimorph.errors import InputError
from equimorph.io import read_json, sha256_of
from equimorph.provenance import digest

METADATA = ".snakemake/metadata"
# Where the objects that DVC knows lie: its cache, and the store inside the repository.
DVC_OBJECTS = (".dvc/cache/files/md5", ".dvc/store/files/md5")
LISTED = 3
STAMP = ("commit", "dirty", "versions", "hardware")


@dataclass(frozen=True)
class Record:
    """What Snakemake noted of one file that a job made.

    Attributes:
        path: the file, relative to the project.
        rule: name of the rule.
        inputs: the job's inputs.
        digests: SHA-256 of the inputs, in lower-case hexadecimal, by path.
        settings: the rule's params.
        command: the shell command.
        started: when the job began.
        ended: when the file was last written.
    """

    path: str
    rule: str
    inputs: tuple[str, ...]
    digests: dict[str, str]
    settings: tuple[str, ...]
    command: str
    started: datetime
    ended: datetime


@dataclass
class Project:
    """A checkout with its records.

    Attributes:
        folder: where the records' paths start.
        records: by path.
    """

    folder: Path
    records: dict[str, Record]
    _seen: dict[str, str | None] = field(default_factory=dict)

    def sha256(self, path: str) -> str | None:
        """Return the SHA-256 that a file has now; None where there is no such file."""
        if path not in self._seen:
            file = self.folder / path
            self._seen[path] = sha256_of(file) if file.is_file() else None
        return self._seen[path]

    def data(self, record: Record) -> list[str]:
        """Return the inputs that jobs made."""
        return [path for path in record.inputs if path in self.records]

    def sources(self, record: Record) -> dict[str, str]:
        """Return the digests of the inputs that no job made: script, modules, environment."""
        return {p: s for p, s in sorted(record.digests.items()) if p not in self.records}


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
    raw = [name for name in order if not project.data(project.records[name])]
    split = [n for n in order if project.records[n].rule == "split" and n.endswith(".csv")]
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


def _find(path: Path) -> tuple[Project, list[str]]:
    """Return the project that a result belongs to, and the recorded files that are meant."""
    # Not resolved: DVC may be set to put links to its cache in place of the files.
    place = Path(os.path.abspath(path))
    folder = next((f for f in place.parents if (f / METADATA).is_dir()), None)
    if folder is None and not place.exists():
        raise InputError(f"{path}: there is no such file.")
    if folder is None:
        raise InputError(
            f"{path}: no folder above it has Snakemake's records ({METADATA}); `dvc pull` without "
            "a path brings them."
        )
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


def read_records(folder: str | Path) -> dict[str, Record]:
    """Read Snakemake's records of a project.

    Raises:
        InputError: a record is damaged, or names a file outside the project.
    """
    root = Path(folder, METADATA)
    found = {}
    for file in sorted(path for path in root.rglob("*") if path.is_file()):
        # Long names are cut into folders that start with an @.
        name = "".join(part.removeprefix("@") for part in file.relative_to(root).parts)
        value = read_json(file)
        try:
            record = _record(urlsafe_b64decode(name).decode(), value)
        except (AttributeError, KeyError, OverflowError, TypeError, ValueError) as error:
            raise InputError(f"{file}: not a record of Snakemake's ({error!r}).") from error
        for path in (record.path, *record.inputs, *record.digests):
            parts = PurePosixPath(path).parts
            if ".." in parts or parts[:1] == ("/",) or "\0" in path:
                raise InputError(f"{file}: names {path!r}; allowed are paths within the project.")
        found[record.path] = record
    return found


def _record(path: str, value: dict[str, Any]) -> Record:
    checksums = value.get("input_checksums") or {}
    return Record(
        path=path,
        rule=value["rule"],
        inputs=tuple(map(str, value["input"])),
        digests={k: v.removeprefix("sha256:") for k, v in checksums.items()},
        settings=tuple(map(str, value["params"])),
        command=value["shellcmd"] or "",
        started=datetime.fromtimestamp(value["starttime"], UTC),
        ended=datetime.fromtimestamp(value["endtime"], UTC),
    )


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
    """Compare every recorded digest with the file; absent files are no fault, nobody reads them."""
    recorded: dict[str, dict[str, str]] = defaultdict(dict)  # digest and who names it, by path
    for name in order:
        for path, sha256 in project.records[name].digests.items():
            recorded[path].setdefault(sha256, name)
    # What later jobs read of a target, unless the target has been made anew since.
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
    for path, md5 in _listed_by_dvc(project).items():
        if path in order and path not in recorded and (project.folder / path).is_file():
            checked += 1
            if (now := _md5(project.folder / path)) != md5:
                problems.append(f"{path}: the md5 is {now}, but DVC listed it as {md5}.")
    return checked, problems


def _listed_by_dvc(project: Project) -> dict[str, str]:
    """Return the MD5 of the files that dvc.lock stands for.

    Only of those whose record is the listed one, too: others were made anew since.
    """
    lock = project.folder / "dvc.lock"
    if not lock.is_file():
        return {}
    found: dict[str, str] = {}
    for stage in read_yaml(lock).get("stages", {}).values():
        for out in stage.get("outs", []):
            found |= _listing(project.folder, out["path"], out.get("md5", ""))
    return {
        path: found[path]
        for path in sorted(project.records.keys() & found.keys())
        if _record_md5(project.folder, path) == found.get(_record_place(path))
    }


def _listing(folder: Path, out: str, md5: str) -> dict[str, str]:
    """Return the MD5 by path of the files of one DVC output, as far as DVC's objects are here."""
    if not md5.endswith(".dir"):
        return {}
    files = [folder / place / md5[:2] / md5[2:] for place in DVC_OBJECTS]
    file = next((file for file in files if file.is_file()), None)
    return {f"{out}/{e['relpath']}": e["md5"] for e in read_json(file)} if file else {}


def _record_place(path: str) -> str:
    return f"{METADATA}/{urlsafe_b64encode(path.encode()).decode()}"


def _record_md5(folder: Path, path: str) -> str | None:
    file = folder / _record_place(path)
    return _md5(file) if file.is_file() else None


def _md5(path: Path) -> str:
    return hashlib.md5(path.read_bytes(), usedforsecurity=False).hexdigest()


def _known_digest(project: Project, order: list[str], path: str) -> str | None:
    """Return the SHA-256 with which a file entered the chain; else the one that it has."""
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
        split = value.get("split")
        named = {
            "raw file": value.get("sha256" if rule == "verify" else "data_sha256"),
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
    commits = _Commits(project.folder)
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


class _Commits:
    """Finds the commit whose files have the recorded digests."""

    def __init__(self, folder: Path):
        self._folder = folder
        self._sha256: dict[str, str] = {}  # by the object's name in git

    def of(self, sources: dict[str, str]) -> dict[str, Any]:
        """Return the newest commit up to HEAD that changed one of the files and has them all so.

        No commit and `dirty` where the files were edited; None for both where nobody can tell.
        """
        try:
            # A folder inside another project's checkout is none of its own.
            top = self._git("rev-parse", "--show-toplevel")
            if not sources or Path(top) != self._folder.resolve():
                return {"commit": None, "dirty": None}
            commits = self._git("log", "--format=%H", "HEAD", "--", *sources).split()
        except (OSError, subprocess.CalledProcessError):
            return {"commit": None, "dirty": None}
        commit = next((commit for commit in commits if self._has(commit, sources)), None)
        return {"commit": commit, "dirty": commit is None}

    def _has(self, commit: str, sources: dict[str, str]) -> bool:
        listed = self._git("ls-tree", "-r", "-z", commit, "--", *sources)
        objects = {}
        for entry in filter(None, listed.split("\0")):
            facts, path = entry.split("\t", 1)
            objects[path] = facts.split()[2]
        return objects.keys() == sources.keys() and all(
            self._digest(objects[path]) == sha256 for path, sha256 in sources.items()
        )

    def _digest(self, name: str) -> str:
        if name not in self._sha256:
            content = self._run("cat-file", "blob", name)
            self._sha256[name] = hashlib.sha256(content).hexdigest()
        return self._sha256[name]

    def _git(self, *arguments: str) -> str:
        return os.fsdecode(self._run(*arguments)).strip()

    def _run(self, *arguments: str) -> bytes:
        command = ["git", "--literal-pathspecs", "-C", str(self._folder), *arguments]
        return subprocess.run(command, capture_output=True, check=True).stdout


def as_text(found: dict[str, Any]) -> str:
    """Return what `trace` found as a text: jobs from the last to the first, then the roots."""
    return "\n".join(_lines(found))


def _lines(found: dict[str, Any]) -> Iterator[str]:
    yield from _files("Result", found["targets"], 64)
    for job in found["jobs"]:
        number = f"{job['jobs']} job{'s' if job['jobs'] > 1 else ''}"
        yield ""
        yield f"{job['rule']}: {number}, the last ended {job['ended']}"
        scripts = [path for path in job["sources"] if path.startswith("workflow/scripts/")]
        yield f"  script    {', '.join(scripts) or 'none'}"
        commit = {
            None: "nobody can tell of which commit",
            True: "edited: in no commit up to HEAD",
            False: f"as in commit {job['commit']}",
        }[job["dirty"]]
        sources = f"{len(job['sources'])} files, digest {job['sources_sha256'][:12]}"
        yield f"  sources   {sources}, {commit}"
        yield f"  config    digest {job['config_sha256'][:12]}"
        yield from _files("  made     ", job["made"])
        if job["from"]:
            yield from _files("  from     ", job["from"], missing="digest not recorded")
    yield ""
    for title, key in (("Raw file", "raw"), ("Split", "split")):
        yield from (f"{title} {path}: sha256 {sha256}" for path, sha256 in found[key].items())
    yield from _stamp_lines(found["stamps"])
    yield ""
    yield f"{found['checked']} digests checked, {len(found['problems'])} differ."


def _files(
    title: str, files: dict[str, str | None], digits: int = 12, missing: str = "absent"
) -> Iterator[str]:
    """Yield a line for each of the first files, and one for the others."""
    blank = " " * len(title)
    for number, (path, sha256) in enumerate(files.items()):
        if number == LISTED:
            yield f"{blank} and {len(files) - LISTED} more"
            return
        known = f"sha256 {sha256[:digits]}" if sha256 else missing
        yield f"{blank if number else title} {path}, {known}"


def _stamp_lines(stamps: list[dict[str, Any]]) -> Iterator[str]:
    """Yield where the files that say so were made, the same places together."""
    places: dict[str, list[str]] = defaultdict(list)
    for stamp in stamps:
        versions = ", ".join(f"{name} {version}" for name, version in stamp["versions"].items())
        hardware = ", ".join(f"{key} {value}" for key, value in stamp["hardware"].items())
        dirty = {True: ", with uncommitted changes", False: "", None: ""}[stamp["dirty"]]
        text = f"  commit    {stamp['commit'] or 'unknown'}{dirty}\n"
        places[f"{text}  versions  {versions}\n  hardware  {hardware}"].append(stamp["path"])
    for place, paths in places.items():
        yield f"Recorded by {paths[0]}" + (f" and {len(paths) - 1} more" if paths[1:] else "")
        yield place
