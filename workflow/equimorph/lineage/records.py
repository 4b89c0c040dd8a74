"""Snakemake's records: of each file that a job made the command, the settings and the inputs."""

from base64 import urlsafe_b64decode, urlsafe_b64encode
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path, PurePosixPath
from typing import Any

from equimorph.errors import InputError
from equimorph.io import read_json, sha256_of

METADATA = ".snakemake/metadata"


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


def record_name(path: str) -> str:
    """Return the name that Snakemake gives to what it keeps of a file; long ones it cuts."""
    return urlsafe_b64encode(path.encode()).decode()


def record_place(path: str) -> str:
    """Return where a file's record lies, relative to the project; long names are not looked for."""
    return f"{METADATA}/{record_name(path)}"
