"""A training as a TensorBoard log: a folder per job, found again by the job's digest."""

from contextlib import suppress
from pathlib import Path

from tensorboard.backend.event_processing.event_accumulator import (
    SCALARS,
    TENSORS,
    EventAccumulator,
)
from torch.utils.tensorboard import SummaryWriter

from equimorph.tracking.tracker import FinishedTraining, Job, Row, flatten


class TensorBoardRecorder:
    """Scalars per epoch, the result as scalars of the best epoch, the parameters as text."""

    name = "track.tensorboard"

    def __init__(self, job: Job, folder: str | Path):
        self._job = job
        self._folder = Path(folder, job.study, f"{job.name}-job-{job.sha256[:8]}")
        self._writer: SummaryWriter | None = None
        self._present: set[tuple[str, int]] = set()
        self._anew = not job.resumed

    def start(self) -> None:
        """Open the log; a training that begins anew hides what the folder holds."""
        self._release()
        anew, self._anew = self._anew and self._folder.exists(), False
        self._present = set() if anew else events_in(self._folder)
        self._writer = SummaryWriter(str(self._folder), purge_step=0 if anew else None)
        if ("parameters/text_summary", 0) not in self._present:
            parameters = flatten(self._job.values)
            rows = "\n".join(f"| {key} | {text} |" for key, text in parameters.items())
            self._writer.add_text("parameters", f"| name | value |\n|---|---|\n{rows}", 0)
            self._writer.flush()

    def epoch(self, row: Row) -> None:
        """Write what is not yet in the log."""
        self._write({k: v for k, v in row.items() if k != "epoch"}, int(row["epoch"]))

    def finish(self, finished: FinishedTraining) -> None:
        """Write the metrics of the training."""
        self._write(finished.metrics, int(finished.run["best_epoch"]))

    def close(self, status: str) -> None:
        """Close the file; TensorBoard has no status."""
        self._release()

    def _write(self, values: Row, step: int) -> None:
        assert self._writer is not None  # since `start`
        missing = {key: v for key, v in values.items() if (key, step) not in self._present}
        for key, value in missing.items():
            self._writer.add_scalar(key, value, step)
        self._writer.flush()  # before the state of this epoch is saved, so that no epoch is missing
        self._present |= {(key, step) for key in missing}

    def _release(self) -> None:
        writer, self._writer = self._writer, None
        if writer is not None:
            with suppress(OSError):  # everything has been flushed, or has failed, before
                writer.close()


def events_in(folder: str | Path) -> set[tuple[str, int]]:
    """Return the names and steps of the scalars and texts in a folder of event files."""
    if not Path(folder).is_dir():
        return set()
    events = EventAccumulator(str(folder), size_guidance={SCALARS: 0, TENSORS: 0}).Reload()
    tags = events.Tags()
    scalars = {(tag, event.step) for tag in tags[SCALARS] for event in events.Scalars(tag)}
    return scalars | {(tag, event.step) for tag in tags[TENSORS] for event in events.Tensors(tag)}
