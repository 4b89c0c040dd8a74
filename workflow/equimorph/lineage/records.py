"""Snakemake's records: command, settings and inputs of each file that a job made."""

from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path, PurePosixPath
from typing import Any

from equimorph.errors import InputError
from equimorph.io import read_json, sha256_of

METADATA = ".snakemake/metadata"
_CUT = 254  # letters of a name in METADATA, one less than file systems allow


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
        started: time at which the job began.
        ended: time at which the file was last written.
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
        folder: the folder that the records' paths are relative to.
        records: the records by the path of their file.
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


def read_records(folder: str | Path) -> dict[str, Record]:
    """Read Snakemake's records of a project.

    Raises:
        InputError: a record is damaged, or names a file outside the project.
    """
    return {
        path: parse_record(path, value, str(file)) for path, file, value in read_raw_records(folder)
    }


def read_raw_records(folder: str | Path) -> Iterator[tuple[str, Path, Any]]:
    """Yield each record of a project: path of the recorded file, the record's file and its content.

    Raises:
        InputError: a record is damaged.
    """
    root = Path(folder, METADATA)
    for file in sorted(path for path in root.rglob("*") if path.is_file()):
        # Long names are cut into folders that start with an @.
        name = "".join(part.removeprefix("@") for part in file.relative_to(root).parts)
        try:
            path = urlsafe_b64decode(name).decode()
        except ValueError as error:
            raise InputError(f"{file}: not a record of Snakemake's ({error!r}).") from error
        yield path, file, read_json(file)


def parse_record(path: str, value: Any, place: str) -> Record:
    """Return the record of a file from what Snakemake wrote.

    Args:
        path: the file that the record is about.
        value: the record's content.
        place: path of the record, for messages.

    Raises:
        InputError: it is damaged, or names a file outside the project.
    """
    try:
        record = _record(path, value)
    except (AttributeError, KeyError, OverflowError, TypeError, ValueError) as error:
        raise InputError(f"{place}: not a record of Snakemake's ({error!r}).") from error
    for named in (record.path, *record.inputs, *record.digests):
        parts = PurePosixPath(named).parts
        if ".." in parts or parts[:1] == ("/",) or "\0" in named:
            raise InputError(f"{place}: names {named!r}; allowed are paths within the project.")
    return record


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


def record_name(path: str) -> str:
    """Return the name under which Snakemake keeps the record of a file; long names are cut."""
    return urlsafe_b64encode(path.encode()).decode()


def record_file(folder: str | Path, path: str) -> Path:
    """Return where Snakemake keeps the record of a file of a project."""
    name = record_name(path)
    parts = [name[start : start + _CUT] for start in range(0, len(name), _CUT)]
    return Path(folder, METADATA, *(f"@{part}" for part in parts[:-1]), parts[-1])
