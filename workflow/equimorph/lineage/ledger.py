"""A study's ledger: Snakemake's records of its files, and the files' digests.

Snakemake keeps its records in .snakemake, those of all studies together. Without them nobody knows
which results have to be made again after an edit, so the records of a study travel with its
results, in one packed file. In a clone, or after a change of branch, they are given back to
Snakemake.
"""

import json
import lzma
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from equimorph.errors import InputError
from equimorph.io import atomic_path, sha256_of, write_text
from equimorph.lineage.records import (
    Project,
    Record,
    parse_record,
    read_raw_records,
    record_file,
)

NAME = "records.json.xz"
_LOCKS = ".snakemake/locks"
_MARKS = ".snakemake/ledgers"
# Keys of a record that differ between two runs of one job.
_TIMES = ("starttime", "endtime", "job_hash", "external_jobid")
_MAX_BYTES = 2**28  # of a ledger, unpacked; a study of 1,000 trainings has 2**24


@dataclass(frozen=True)
class Entry:
    """What a ledger says of one file.

    Attributes:
        sha256: the file's SHA-256, in lower-case hexadecimal; None if it was not here.
        record: Snakemake's record of it.
    """

    sha256: str | None
    record: dict[str, Any]

    def is_of(self, other: Mapping[str, Any]) -> bool:
        """Return whether another record is of the same job, at whatever time it ran."""
        return _untimed(self.record) == _untimed(other)


@dataclass(frozen=True)
class Ledger:
    """The ledger of one study in one project.

    Attributes:
        project: the project's folder.
        study: name of the study.
    """

    project: Path
    study: str

    @property
    def path(self) -> Path:
        """The ledger's file."""
        return self.project / "results" / self.study / NAME

    @property
    def _mark(self) -> Path:
        """The file with the digest of the ledger that Snakemake's records agree with."""
        return self.project / _MARKS / self.study

    def read(self) -> dict[str, Entry]:
        """Return the entries by path; none where there is no ledger.

        Raises:
            InputError: it is damaged, or names files outside the project.
        """
        if not self.path.is_file():
            return {}
        unpacker = lzma.LZMADecompressor(format=lzma.FORMAT_XZ)
        try:
            content = unpacker.decompress(self.path.read_bytes(), max_length=_MAX_BYTES)
            if not unpacker.eof:
                raise ValueError(f"cut short, or longer than {_MAX_BYTES} bytes")
            entries = {
                path: Entry(value["sha256"], value["record"])
                for path, value in json.loads(content).items()
            }
        except (AttributeError, KeyError, TypeError, ValueError, lzma.LZMAError) as error:
            raise InputError(f"{self.path}: not a ledger ({error!r}).") from error
        for path, entry in entries.items():
            parse_record(path, entry.record, str(self.path))
        return entries

    def give_back(self) -> None:
        """Give the records to Snakemake, unless it has them already.

        A file whose content differs from the ledger's keeps the record that it has: it was made
        later, by a run that was killed, or lies under work/ and belongs to another branch.

        Snakemake looks for a changed content only where an input is newer than the output, and in a
        clone every source is older than the results that came later. So an input that is not what a
        record says gets the present time, as if it had been edited now.

        Raises:
            InputError: the ledger is damaged.
        """
        running = (self.project / _LOCKS).is_dir() and any((self.project / _LOCKS).iterdir())
        if running or not self.path.is_file() or self._is_given():
            return
        present = Project(self.project, {})
        for path, entry in self.read().items():
            place, sha256 = record_file(self.project, path), present.sha256(path)
            recorded = place.is_file() and sha256 is not None
            if not recorded or sha256 == entry.sha256:
                write_text(place, json.dumps(entry.record))
            if sha256 == entry.sha256:
                given = parse_record(path, entry.record, str(self.path)).digests
                for name in given:
                    if present.sha256(name) not in (None, given[name]):
                        (self.project / name).touch()
        (self.project / ".snakemake/incomplete").mkdir(exist_ok=True)
        write_text(self._mark, sha256_of(self.path))

    def _is_given(self) -> bool:
        return self._mark.is_file() and self._mark.read_text() == sha256_of(self.path)

    def open(self) -> None:
        """Note that a run begins: until `close`, the records may be ahead of every ledger."""
        for mark in (self.project / _MARKS).glob("*"):
            mark.unlink()

    def close(self, source: str) -> None:
        """Write the ledger of a run that has ended.

        It holds the records of the study's results, of its data, and of whatever these were made
        from. A file that was not made since keeps its entry, and so does one that the same job made
        again with the same bytes: equal runs give equal ledgers.

        Args:
            source: data source of the study, whose folder is under data/.

        Raises:
            InputError: a record is damaged.
        """
        before = self.read()
        found = {path: value for path, _, value in read_raw_records(self.project)}
        records = {path: parse_record(path, value, path) for path, value in found.items()}
        entries = {
            path: self._entry(path, found[path], before.get(path))
            for path in self._made_for(records, source)
        }
        content = {path: vars(entry) for path, entry in sorted(entries.items())}
        packed = lzma.compress(json.dumps(content, separators=(",", ":")).encode())
        if not self.path.is_file() or self.path.read_bytes() != packed:
            with atomic_path(self.path) as temporary:
                temporary.write_bytes(packed)
        write_text(self._mark, sha256_of(self.path))

    def _made_for(self, records: Mapping[str, Record], source: str) -> set[str]:
        """Return the files of the study that are here, and the recorded ones behind them."""
        folders = (f"results/{self.study}/", f"data/{source}/")
        waiting = [
            path for path in records if path.startswith(folders) and (self.project / path).is_file()
        ]
        found: set[str] = set()
        while waiting:
            path = waiting.pop()
            if path not in found:
                found.add(path)
                waiting += [name for name in records[path].inputs if name in records]
        return found

    def _entry(self, path: str, record: dict[str, Any], before: Entry | None) -> Entry:
        if before and before.record == record:
            return before
        file = self.project / path
        sha256 = sha256_of(file) if file.is_file() else None
        if before and before.sha256 == sha256 and before.is_of(record):
            return before
        return Entry(sha256, record)


def _untimed(record: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in record.items() if key not in _TIMES}
