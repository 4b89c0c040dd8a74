"""A training as an MLflow run, and its network as a version of a registered model.

Jobs run side by side and share one store. MLflow creates a SQLite store in several steps, and an
alias moves in two, so each access holds a lock, a file beside the store. Nothing is reported to
anyone: MLflow's usage statistics are switched off before it is imported.
"""

import os
import tempfile
import time
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import numpy as np
import requests
from filelock import FileLock, Timeout

import equimorph
from equimorph.tracking.tracker import FinishedTraining, Job, Row, flatten

os.environ.update(MLFLOW_DISABLE_TELEMETRY="true", DO_NOT_TRACK="true")
# Failures become one warning of the tracker. The time limit for a server's answer is short, because
# the training waits for it.
for _name, _value in {
    "MLFLOW_LOGGING_LEVEL": "CRITICAL",
    "MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR": "false",
    "MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT": "true",
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "2",
    "MLFLOW_HTTP_REQUEST_TIMEOUT": "30",
}.items():
    os.environ.setdefault(_name, _value)

import mlflow.pyfunc  # noqa: E402
from mlflow import MlflowClient  # noqa: E402
from mlflow.entities import Metric, Param  # noqa: E402
from mlflow.models import ModelSignature  # noqa: E402
from mlflow.types import DataType, ParamSchema, ParamSpec, Schema, TensorSpec  # noqa: E402

ANSWER_SECONDS = 5.0  # a server that is slower to say anything at all is given up
ALIAS = "production"
SQLITE = "sqlite:///"
LOCK_SECONDS = 300.0  # creating a store takes a minute on a slow and busy disk
PARAMETERS_PER_REQUEST = 100  # MLflow's limit
# What the model's code imports. escnn's own requirements do not install everywhere: a model with
# a group is served in equimorph's environment (docs/tracking.md).
REQUIREMENTS = (
    "mlflow",
    "torch",
    "torchvision",
    "numpy",
    "scipy",
    "scikit-learn",
    "safetensors",
    "filelock",
)


class MlflowRecorder:
    """One run per job in the study's experiment, and one version of the registered model."""

    name = "track.mlflow"

    def __init__(self, job: Job, uri: str, folder: str | Path):
        """Remember where to record.

        Args:
            job: the training.
            uri: address of the store: sqlite:///FILE or that of an MLflow server.
            folder: folder of the lock file, where the store is a server.
        """
        self._job = job
        self._uri = uri
        self._server = None if uri.startswith(SQLITE) else uri
        self._lock = lock_of(uri, folder)
        self._client: MlflowClient  # from `start` on
        self._run = ""
        self._present: set[int] = set()

    def start(self) -> None:
        """Open the unfinished run of this job, or begin one.

        Raises:
            ConnectionError: the server does not answer.
        """
        if self._server:
            check_answer(self._server)
        with exclusive(self._lock):
            self._client = MlflowClient(tracking_uri=self._uri, registry_uri=self._uri)
            self._run = self._run or self._find() or self._begin()
            self._client.update_run(self._run, status="RUNNING")
            parameters = [Param(key, text) for key, text in flatten(self._job.values).items()]
            for first in range(0, len(parameters), PARAMETERS_PER_REQUEST):
                part = parameters[first : first + PARAMETERS_PER_REQUEST]
                self._client.log_batch(self._run, params=part)
            # An epoch is written as a whole: one of its metrics stands for all.
            points = self._client.get_metric_history(self._run, "validation_loss")
            self._present = {point.step for point in points}

    def epoch(self, row: Row) -> None:
        """Write the epoch unless the run holds it."""
        step = int(row["epoch"])
        if step not in self._present:
            self._measure({key: value for key, value in row.items() if key != "epoch"}, step)
            self._present.add(step)

    def finish(self, finished: FinishedTraining) -> None:
        """Write the metrics, the files and the model, and register the model."""
        best = int(finished.run["best_epoch"])
        if "best_validation_loss" not in self._client.get_run(self._run).data.metrics:
            self._measure(finished.metrics, best)
        with exclusive(self._lock):
            for key in ("commit", "dirty", "group", "versions", "hardware"):
                for name, text in flatten(finished.run.get(key), key).items():
                    self._client.set_tag(self._run, name, text)
        for file in finished.files:
            self._client.log_artifact(self._run, str(file))
        with tempfile.TemporaryDirectory() as folder:
            place = Path(folder, "model")
            save_model(finished.model, finished.run["classes"], place)
            self._client.log_artifacts(self._run, str(place), "model")
        with exclusive(self._lock):
            self._register(finished.metrics["best_validation_loss"])

    def close(self, status: str) -> None:
        """Set the status of the run."""
        if self._run:
            with exclusive(self._lock):
                self._client.set_terminated(self._run, status)

    def _measure(self, values: Row, step: int) -> None:
        now = time.time_ns() // 10**6
        metrics = [Metric(key, float(value), now, step) for key, value in values.items()]
        with exclusive(self._lock):
            self._client.log_batch(self._run, metrics=metrics)

    def _find(self) -> str | None:
        """Return the run of this job that is to be continued.

        A finished one is if the state of the training is still there: then the job was killed
        between its last two steps. Otherwise the job is trained again, as another run.
        """
        experiment = self._client.get_experiment_by_name(self._job.study)
        if experiment is None:
            return None
        runs = self._client.search_runs(
            [experiment.experiment_id],
            f"tags.job_sha256 = '{self._job.sha256}'",
            order_by=["attributes.start_time DESC"],
            max_results=1,
        )
        if not runs or (runs[0].info.status == "FINISHED" and not self._job.resumed):
            return None
        return runs[0].info.run_id

    def _begin(self) -> str:
        number = experiment_of(self._client, self._uri, self._job.study)
        tags = {**self._tags(), "job_sha256": self._job.sha256}
        return self._client.create_run(number, tags=tags, run_name=self._job.name).info.run_id

    def _tags(self) -> dict[str, str]:
        values = self._job.values
        return {
            "study": self._job.study,
            "model": self._job.model,
            "seed": str(values["seed"]),
            "split_sha256": values["split_sha256"],
        }

    def _register(self, loss: float) -> None:
        name = f"{self._job.study}-{self._job.model}"
        if not self._client.search_registered_models(f"name = '{name}'"):
            description = f"{self._job.model} of the study {self._job.study}, a version per run."
            self._client.create_registered_model(name, description=description)
        known = self._client.search_model_versions(f"run_id = '{self._run}'")
        if known:  # killed before the run was marked as finished
            new = known[0]
        else:
            tags = {**self._tags(), "validation_loss": repr(loss)}
            source = f"runs:/{self._run}/model"
            new = self._client.create_model_version(
                name, source, self._run, tags=tags, description=self._job.name
            )
        self._promote(name, str(new.version))

    def _promote(self, name: str, candidate: str) -> None:
        """Move the alias to the candidate if that is better; the caller holds the lock."""
        holder = self._client.get_registered_model(name).aliases.get(ALIAS)
        if holder is not None and str(holder) != candidate:
            present = self._client.get_model_version(name, holder).tags
            new = self._client.get_model_version(name, candidate).tags
            if present.get("split_sha256") != new["split_sha256"]:
                warnings.warn(
                    f"{self.name}: {ALIAS} of {name} stays at version {holder}, which was not "
                    f"judged on the validation set of version {candidate}; move it by hand.",
                    stacklevel=2,
                )
                return
            if not is_better(new, present):
                return
        self._client.set_registered_model_alias(name, ALIAS, candidate)


def check_answer(address: str) -> None:
    """Check that a server answers, before requests that wait and are repeated for minutes.

    Raises:
        ConnectionError: nothing has come within `ANSWER_SECONDS`.
    """
    try:
        answer = requests.get(address, timeout=ANSWER_SECONDS, stream=True, allow_redirects=False)
        answer.close()
    except requests.exceptions.SSLError:  # an answer: which certificate to trust MLflow is told
        return
    except requests.RequestException as error:
        raise ConnectionError(
            f"{address}: no answer within {ANSWER_SECONDS:g} s, {type(error).__name__}"
        ) from error


def lock_of(uri: str, folder: str | Path) -> Path:
    """Return the lock file of a store: beside it or, for a server, in `folder`."""
    store = _file_of(uri)
    return Path(f"{store}.lock") if store else Path(folder, "mlflow.lock")


def experiment_of(client: MlflowClient, uri: str, study: str) -> str:
    """Return the number of a study's experiment, begun if there is none; call it locked."""
    experiment = client.get_experiment_by_name(study)
    if experiment is not None:
        return experiment.experiment_id
    store = _file_of(uri)
    # A server has its own place for artefacts.
    place = (store.parent / "artifacts" / study).resolve().as_uri() if store else None
    return client.create_experiment(study, artifact_location=place)


def _file_of(uri: str) -> Path | None:
    return Path(uri.removeprefix(SQLITE)) if uri.startswith(SQLITE) else None


def is_better(new: Mapping[str, str], present: Mapping[str, str]) -> bool:
    """Return whether a version has a lower validation loss, by its tags, than another."""
    try:
        return float(new["validation_loss"]) < float(present["validation_loss"])
    except (KeyError, ValueError):  # put there by hand, and left as it is
        return False


def save_model(
    checkpoint: str | Path,
    classes: Sequence[str],
    folder: str | Path,
) -> None:
    """Write a checkpoint, and the code that it needs, as a folder that MLflow can load.

    The code is the package's source and the weights are safetensors: no part is a pickle.

    Args:
        checkpoint: the weights (.safetensors).
        classes: names of the logits.
        folder: must be empty or absent.
    """
    signature = ModelSignature(
        Schema([TensorSpec(np.dtype("uint8"), (-1, -1, -1, 3))]),
        Schema([TensorSpec(np.dtype("float32"), (-1, len(classes)))]),
        ParamSchema(
            [
                ParamSpec("output", DataType.string, "logits"),
                ParamSpec("pixel_scale", DataType.double, 0.0),
            ]
        ),
    )
    with warnings.catch_warnings():
        # MLflow warns that there is no example of the input; the signature is enough.
        warnings.simplefilter("ignore")
        mlflow.pyfunc.save_model(
            str(folder),
            python_model=str(Path(__file__).with_name("pyfunc.py")),
            artifacts={"checkpoint": str(checkpoint)},
            code_paths=[str(Path(equimorph.__file__).parent)],
            signature=signature,
            pip_requirements=list(_pinned(REQUIREMENTS)),
            metadata={"classes": list(classes)},
        )


def _pinned(packages: Sequence[str]) -> Iterator[str]:
    for package in packages:
        try:
            yield f"{package}=={version(package)}"
        except PackageNotFoundError:  # mlflow-skinny, for instance, is no package named mlflow
            continue


@contextmanager
def exclusive(lock: Path) -> Iterator[None]:
    """Let one process at a time pass; the lock falls when its holder ends, even by a signal.

    Raises:
        TimeoutError: others hold it for minutes.
    """
    lock.parent.mkdir(parents=True, exist_ok=True)
    try:
        held = FileLock(lock).acquire(timeout=LOCK_SECONDS, poll_interval=0.02)
    except Timeout:
        raise TimeoutError(f"{lock}: held by another process for long") from None
    with held:
        yield
