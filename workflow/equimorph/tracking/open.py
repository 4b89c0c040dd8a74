"""Open the records of a training that a study's config asks for."""

from collections.abc import Mapping
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


def _missing(package: str, error: ImportError) -> InputError:
    return InputError(
        f"track.{package}: the package cannot be imported ({error}); install it with "
        "`pip install 'equimorph[tracking]'` or switch this record off."
    )
