"""Predictions of many images as a table that survives whatever ends the run that writes it.

Rows are appended to `<table>.part`, one line of JSON for each image, also for one that could not be
read. Where that file is, the next run of the same call goes on behind its last whole line. When all
images are done it becomes the table: CSV, JSON or Parquet.
"""

import csv
import json
from collections.abc import Iterable, Iterator, Sequence
from importlib.util import find_spec
from itertools import islice
from pathlib import Path
from types import TracebackType
from typing import Any

from filelock import FileLock, Timeout

from equimorph.errors import InputError
from equimorph.io import atomic_path

Row = dict[str, Any]
SUFFIXES = (".csv", ".json", ".parquet")
ROWS = 10_000  # in memory at a time
FIRST = 20
ERROR = "error"  # key of a row without a prediction


class Table:
    """A table that is being written."""

    def __init__(self, path: str | Path, call: dict[str, Any]):
        """Open what an earlier run of the same call has left, or begin.

        Args:
            path: the table, whose suffix is one of `SUFFIXES`.
            call: all that the rows depend on beside the images, ready for JSON.

        Raises:
            InputError: another suffix, no place to write, or another call's rows lie there.
        """
        self.path = Path(path)
        if self.path.suffix.lower() not in SUFFIXES:
            raise InputError(f"{path}: allowed are files that end in {', '.join(SUFFIXES)}.")
        if self.path.suffix.lower() == ".parquet" and not find_spec("pyarrow"):
            raise InputError(f"{path}: needs the optional package pyarrow (pip install pyarrow).")
        if self.path.is_dir():
            raise InputError(f"{path}: this is a folder; needed is the name of a file.")
        self.part = self.path.with_name(f"{self.path.name}.part")
        self.path.parent.mkdir(parents=True, exist_ok=True)
        self._lock = FileLock(f"{self.part}.lock")
        try:
            self._lock.acquire(blocking=False)
        except Timeout as error:
            raise InputError(f"{path}: another run writes this table.") from error
        self._file = open(self.part, "a+b")  # noqa: SIM115 - open as long as the table is
        try:
            self._begin(json.dumps(call, sort_keys=True))
        except BaseException:
            self._close()
            raise

    def __enter__(self) -> "Table":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._close()

    def _close(self) -> None:
        self._file.close()
        # Before it is released, so that nobody who has opened it can lock it then.
        Path(self._lock.lock_file).unlink(missing_ok=True)
        self._lock.release()

    def names(self) -> Iterator[str]:
        """Yield the names of the images that are done, in order."""
        return (row["name"] for row in self._rows())

    def append(self, rows: Iterable[Row]) -> None:
        """Add the rows of some images; they outlive the run when this returns."""
        text = "".join(json.dumps(row, allow_nan=False) + "\n" for row in rows)
        self._file.write(text.encode())
        self._file.flush()

    def finish(self, unread: str | Path) -> tuple[int, list[Row]]:
        """Write the table, and one of the images that could not be read, if there are any.

        Args:
            unread: path of the latter, .csv.

        Returns:
            How many those are, and the first of them.
        """
        write = {".csv": _write_csv, ".json": _write_json, ".parquet": _write_parquet}
        with atomic_path(self.path) as temporary:
            write[self.path.suffix.lower()](temporary, self._predictions())
        missed = sum(1 for _ in self._unread())
        if missed:
            with atomic_path(unread) as temporary:
                _write_csv(temporary, self._unread())
        first = list(islice(self._unread(), FIRST))
        self._file.close()
        self.part.unlink()
        return missed, first

    def _begin(self, call: str) -> None:
        """Check whose rows these are, and drop a line that is not whole."""
        self._file.seek(0)
        first = self._file.readline()
        own = f"{call}\n".encode()
        if first != own and not own.startswith(first):  # a killed run may have written a part of it
            raise InputError(
                f"{self.part}: holds rows of another call, with other images, another model or "
                "other options, or is no such file; remove it, or name another table."
            )
        self._file.seek(0)
        whole = 0
        for line in self._file:
            if not line.endswith(b"\n"):
                break
            whole += len(line)
        self._file.truncate(whole)
        if not whole:
            self._file.write(own)
            self._file.flush()

    def _rows(self, holding: bytes = b"") -> Iterator[Row]:
        """Yield the rows whose lines hold some text; the others are not parsed."""
        with open(self.part, "rb") as file:
            next(file)
            for line in file:
                if holding in line:
                    yield json.loads(line)

    def _unread(self) -> Iterator[Row]:
        return (row for row in self._rows(ERROR.encode()) if ERROR in row)

    def _predictions(self) -> Iterator[Row]:
        return (row for row in self._rows() if ERROR not in row)


def _write_csv(path: Path, rows: Iterator[Row]) -> None:
    with open(path, "w", encoding="utf-8", newline="") as file:
        writer: csv.DictWriter | None = None
        for row in rows:
            if writer is None:
                writer = csv.DictWriter(file, [*row], lineterminator="\n")
                writer.writeheader()
            writer.writerow(row)


def _write_json(path: Path, rows: Iterator[Row]) -> None:
    with open(path, "w", encoding="utf-8") as file:
        separator = "[\n"
        for row in rows:
            file.write(separator + json.dumps(row))
            separator = ",\n"
        file.write("\n]\n" if separator == ",\n" else "[]\n")


def _write_parquet(path: Path, rows: Iterator[Row]) -> None:
    import pyarrow as pa
    from pyarrow import parquet

    first = list(islice(rows, ROWS))
    schema = pa.schema([(name, _kind(pa, name, first)) for name in (first[0] if first else [])])
    with parquet.ParquetWriter(path, schema) as writer:
        block: Sequence[Row] = first
        while block:
            writer.write_table(pa.Table.from_pylist(list(block), schema=schema))
            block = list(islice(rows, ROWS))


def _kind(pa: Any, name: str, rows: list[Row]) -> Any:
    """Return the type of a column; one that is empty so far holds text."""
    values = [row[name] for row in rows if row[name] is not None]
    return pa.float64() if values and isinstance(values[0], float) else pa.string()
