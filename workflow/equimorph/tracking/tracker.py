"""Records of a training for those who watch it: none, TensorBoard, MLflow, or both.

Training knows only the `Tracker`, which never stops it: a recorder that fails leads to one warning,
and what its record lacks is filled in at the end if that works again. TensorBoard and MLflow take
seconds to import, so the modules that need them are imported only where the config asks for them.
"""

import csv
import json
import math
import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Protocol

from equimorph.io import read_json

Row = Mapping[str, float]  # of the history: `epoch` and what was measured in it

# Metrics of the training as a whole, in run.json.
TOTALS = (
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
class FinishedTraining:
    """What a finished training wrote.

    Attributes:
        history: one row per epoch.
        metrics: metrics of the best epoch, named `best_validation_loss` and so on, and `TOTALS`.
        run: provenance and counts.
        model: the weights (.safetensors).
        files: the history and the provenance as files.
    """

    history: list[Row]
    metrics: dict[str, float]
    run: dict[str, Any]
    model: Path
    files: list[Path]


class Recorder(Protocol):
    """One place where a training is recorded. Any method may raise anything."""

    name: str

    def start(self) -> None:
        """Find the record of this job or begin one; called again after a failure."""

    def epoch(self, row: Row) -> None:
        """Record an epoch, unless it is recorded already."""

    def finish(self, finished: FinishedTraining) -> None:
        """Record the result of the training."""

    def close(self, status: str) -> None:
        """Close the record; `status` is FINISHED, FAILED or KILLED."""


class Tracker:
    """All records of one training.

    Used as a context, it closes the records of a training that ends by an exception; `finish`
    closes those of one that succeeds.
    """

    def __init__(self, recorders: Sequence[Recorder]):
        self._recorders = list(recorders)
        self._failed: set[str] = set()
        for recorder in self._recorders:
            self._try(recorder, recorder.start)

    def following(self, report: Callable[[Row], None]) -> Callable[[Row], None]:
        """Return a function of an epoch's row that calls `report` and records the row."""

        def both(row: Row) -> None:
            report(row)
            self.epoch(row)

        return both

    def epoch(self, row: Row) -> None:
        """Record an epoch, with what was measured in it."""
        row = {key: value for key, value in row.items() if not math.isnan(value)}
        for recorder in self._recorders:
            if recorder.name not in self._failed:
                self._try(recorder, partial(recorder.epoch, row))

    def finish(self, model: str | Path, history: str | Path, run: str | Path) -> None:
        """Record the files of a finished training; a recorder that failed is tried once more.

        Args:
            model: the weights (.safetensors).
            history: one row per epoch (.csv).
            run: provenance and counts (.json).
        """
        for recorder in self._recorders:
            self._try(recorder, partial(_complete, recorder, model, history, run))

    def __enter__(self) -> "Tracker":
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: Any) -> None:
        if kind is None:
            return
        status = "FAILED" if issubclass(kind, Exception) else "KILLED"
        for recorder in self._recorders:
            self._try(recorder, partial(recorder.close, status))

    def _try(self, recorder: Recorder, action: Callable[[], None]) -> None:
        try:
            action()
        except Exception as error:  # whatever it is: a training is worth more than its record
            if recorder.name not in self._failed:
                reason = " ".join(str(error).split())[:300] or type(error).__name__
                warnings.warn(
                    f"{recorder.name}: the training is not recorded there from now on ({reason}).",
                    stacklevel=2,
                )
            self._failed.add(recorder.name)


def _complete(recorder: Recorder, model: str | Path, history: str | Path, run: str | Path) -> None:
    finished = read_training(model, history, run)
    recorder.start()
    for row in finished.history:
        recorder.epoch(row)
    recorder.finish(finished)
    recorder.close("FINISHED")


def read_training(model: str | Path, history: str | Path, run: str | Path) -> FinishedTraining:
    """Return what a finished training wrote."""
    with open(history, encoding="utf-8", newline="") as file:
        rows: list[Row] = [
            {key: float(value) for key, value in row.items() if value}
            for row in csv.DictReader(file)
        ]
    written = read_json(run)
    best = rows[written["best_epoch"] - 1]
    metrics = {f"best_{key}": value for key, value in best.items() if key.startswith("validation")}
    metrics |= {key: float(written[key]) for key in TOTALS if written.get(key) is not None}
    return FinishedTraining(rows, metrics, written, Path(model), [Path(history), Path(run)])


def flatten(value: Any, name: str = "") -> dict[str, str]:
    """Flatten a nested mapping to dotted names and texts; other values are written as JSON."""
    if isinstance(value, Mapping) and value:
        parts = [flatten(v, f"{name}.{key}" if name else str(key)) for key, v in value.items()]
        return {key: text for part in parts for key, text in part.items()}
    return {name: value if isinstance(value, str) else json.dumps(value)}
