"""Records of a training for those who watch it: none, TensorBoard, MLflow, or both.

Training knows a `Tracker` alone, which never stops it: a record that fails is warned of once, and
what it lacks is filled in at the end if it can be reached again. TensorBoard and MLflow take
seconds to import, so the modules that need them are imported only where the config asks for them.
"""

import csv
import json
import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Protocol

from equimorph.io import read_json

Row = Mapping[str, float]  # of the history: `epoch` and what was measured in it

# What run.json says of the training as a whole.
MEASURES = (
    "best_epoch",
    "parameters",
    "macs",
    "train_seconds",
    "images_per_second",
    "peak_memory_bytes",
)


@dataclass(frozen=True)
class Job:
    """The training that is recorded.

    Attributes:
        study: the study that it belongs to.
        model: name of the model.
        values: all that it depends on: `specification`, `recipe`, `seed`, `split_sha256`, ...
        sha256: digest of the values and of the sources; equal jobs give equal results.
        resumed: whether the state of an unfinished training was found.
    """

    study: str
    model: str
    values: Mapping[str, Any]
    sha256: str
    resumed: bool

    @property
    def name(self) -> str:
        """Model, seed and split."""
        return f"{self.model}-seed-{self.values['seed']}-split-{self.values['split_sha256'][:8]}"


@dataclass(frozen=True)
class Outcome:
    """What a finished training wrote.

    Attributes:
        history: one row per epoch.
        measures: of the best epoch, as `best_validation_loss`, and of the training as a whole.
        run: provenance and counts.
        model: the weights (.safetensors).
        files: the history and the provenance as files.
    """

    history: list[Row]
    measures: dict[str, float]
    run: dict[str, Any]
    model: Path
    files: list[Path]


class Record(Protocol):
    """One place where a training is recorded. Any method may raise anything."""

    name: str

    def start(self) -> None:
        """Find the record of this job or begin one; called again after a failure."""

    def epoch(self, row: Row) -> None:
        """Record an epoch, unless it is recorded already."""

    def finish(self, outcome: Outcome) -> None:
        """Record the result of the training."""

    def close(self, status: str) -> None:
        """Let go of the record; `status` is FINISHED, FAILED or KILLED."""


class Tracker:
    """All records of one training.

    As a context it marks the records of a training that ends by an exception; `finish` marks those
    of one that does not.
    """

    def __init__(self, records: Sequence[Record]):
        self._records = list(records)
        self._failed: set[str] = set()
        for record in self._records:
            self._try(record, record.start)

    def following(self, report: Callable[[Row], None]) -> Callable[[Row], None]:
        """Return a function of an epoch's row that calls `report` and records the row."""

        def both(row: Row) -> None:
            report(row)
            self.epoch(row)

        return both

    def epoch(self, row: Row) -> None:
        """Record an epoch."""
        for record in self._records:
            if record.name not in self._failed:
                self._try(record, partial(record.epoch, row))

    def finish(self, model: str | Path, history: str | Path, run: str | Path) -> None:
        """Record the files of a finished training; a record that failed has one more chance.

        Args:
            model: the weights (.safetensors).
            history: one row per epoch (.csv).
            run: provenance and counts (.json).
        """
        for record in self._records:
            self._try(record, partial(_complete, record, model, history, run))

    def __enter__(self) -> "Tracker":
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: Any) -> None:
        if kind is None:
            return
        status = "FAILED" if issubclass(kind, Exception) else "KILLED"
        for record in self._records:
            self._try(record, partial(record.close, status))

    def _try(self, record: Record, action: Callable[[], None]) -> None:
        try:
            action()
        except Exception as error:  # whatever it is, the training is worth more than its record
            if record.name not in self._failed:
                reason = " ".join(str(error).split())[:300] or type(error).__name__
                warnings.warn(
                    f"{record.name}: the training is not recorded there from now on ({reason}).",
                    stacklevel=2,
                )
            self._failed.add(record.name)


def _complete(record: Record, model: str | Path, history: str | Path, run: str | Path) -> None:
    outcome = read_outcome(model, history, run)
    record.start()
    for row in outcome.history:
        record.epoch(row)
    record.finish(outcome)
    record.close("FINISHED")


def read_outcome(model: str | Path, history: str | Path, run: str | Path) -> Outcome:
    """Return what a finished training wrote."""
    with open(history, encoding="utf-8", newline="") as file:
        rows: list[Row] = [
            {key: float(value) for key, value in row.items()} for row in csv.DictReader(file)
        ]
    record = read_json(run)
    best = rows[record["best_epoch"] - 1]
    measures = {f"best_{key}": value for key, value in best.items() if key.startswith("validation")}
    measures |= {key: float(record[key]) for key in MEASURES if record.get(key) is not None}
    return Outcome(rows, measures, record, Path(model), [Path(history), Path(run)])


def flatten(value: Any, name: str = "") -> dict[str, str]:
    """Return a nested mapping as texts by dotted names; what is no text is written as JSON."""
    if isinstance(value, Mapping) and value:
        parts = [flatten(v, f"{name}.{key}" if name else str(key)) for key, v in value.items()]
        return {key: text for part in parts for key, text in part.items()}
    return {name: value if isinstance(value, str) else json.dumps(value)}
