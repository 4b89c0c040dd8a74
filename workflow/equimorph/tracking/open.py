"""Open the records of a training, or of a search, that a study's config asks for."""

import warnings
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from equimorph.errors import InputError
from equimorph.tracking.tracker import Job, Recorder, Tracker

SETTINGS = ("study", "folder", "tensorboard", "mlflow")


def open_tracker(
    settings: Mapping[str, Any], model: str, values: Mapping[str, Any], sha256: str, resumed: bool
) -> Tracker:
    """Return the records that the settings ask for; without any, a tracker that does nothing.

    Args:
        settings: `tensorboard` and `mlflow` as in the config's section `track`; if one of them is
            on, also `study` and `folder`, where records on this machine are written.
        model: name of the model.
        values: all that the training depends on.
        sha256: digest of the values and of the sources.
        resumed: whether the state of an unfinished training was found.

    Raises:
        InputError: a setting is unknown, or a package is not installed.
    """
    if unknown := sorted(set(settings) - set(SETTINGS)):
        raise InputError(f"track.{unknown[0]}: unknown key; allowed are {', '.join(SETTINGS)}.")
    recorders: list[Recorder] = []
    if not (settings.get("tensorboard") or settings.get("mlflow")):
        return Tracker(recorders)
    job = Job(settings["study"], model, values, sha256, resumed)
    folder = Path(settings["folder"])
    if settings.get("tensorboard"):
        try:
            from equimorph.tracking.tensorboard import TensorBoardRecorder
        except ImportError as error:
            raise _missing("tensorboard", error) from error
        recorders.append(TensorBoardRecorder(job, folder / "tensorboard"))
    if settings.get("mlflow"):
        try:
            from equimorph.tracking.mlflow import MlflowRecorder
        except ImportError as error:
            raise _missing("mlflow", error) from error
        recorders.append(MlflowRecorder(job, settings["mlflow"], folder))
    return Tracker(recorders)


def open_search_record(settings: Mapping[str, Any]) -> Callable[[Mapping[str, Any]], None]:
    """Return what records a search that has ended, given the content of its study.json.

    It warns where that fails: a search is worth more than its record. Without an MLflow store it
    does nothing.

    Args:
        settings: as in `open_tracker`.

    Raises:
        InputError: the package is not installed.
    """
    uri = settings.get("mlflow")
    if not uri:
        return lambda outcome: None
    try:
        from equimorph.tracking.mlflow_search import record
    except ImportError as error:
        raise _missing("mlflow", error) from error

    def write(outcome: Mapping[str, Any]) -> None:
        try:
            record(uri, settings["folder"], outcome)
        except Exception as error:
            reason = " ".join(str(error).split())[:300] or type(error).__name__
            warnings.warn(f"track.mlflow: the search is not recorded ({reason}).", stacklevel=2)

    return write


def _missing(package: str, error: ImportError) -> InputError:
    return InputError(
        f"track.{package}: the package cannot be imported ({error}); install it with "
        "`pip install 'equimorph[tracking]'` or switch this record off."
    )
