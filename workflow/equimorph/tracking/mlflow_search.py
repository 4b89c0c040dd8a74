"""A search as an MLflow run, and each of its trials as a run within it."""

import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from mlflow import MlflowClient
from mlflow.entities import Metric, Param

from equimorph.tracking.mlflow import SQLITE, check_answer, exclusive, experiment_of, lock_of
from equimorph.tracking.tracker import flatten

PARENT = "mlflow.parentRunId"  # by which MLflow shows one run within another
METRICS_PER_REQUEST = 1000  # MLflow's limit


def record(uri: str, folder: str | Path, outcome: Mapping[str, Any]) -> None:
    """Write the trials of a search that the store does not hold yet.

    Args:
        uri: address of the store: sqlite:///FILE or that of an MLflow server.
        folder: folder of the lock file, where the store is a server.
        outcome: the content of the search's study.json.
    """
    if not uri.startswith(SQLITE):
        check_answer(uri)
    with exclusive(lock_of(uri, folder)):
        client = MlflowClient(tracking_uri=uri, registry_uri=uri)
        experiment = experiment_of(client, uri, outcome["study"])
        parent = _run(client, experiment, f"search-{outcome['model']}", _tags(outcome))
        for trial in outcome["trials"]:
            tags = {**_tags(outcome), PARENT: parent, "trial": str(trial["trial"])}
            run = _run(client, experiment, f"trial-{trial['trial']}", tags)
            _write(client, run, trial, state=trial["state"])
        best = outcome["best"]
        client.set_tag(parent, "best_trial", str(best["trial"]))
        _write(client, parent, {**best, "curve": []})


def _tags(outcome: Mapping[str, Any]) -> dict[str, str]:
    return {"study": outcome["study"], "search": outcome["database"], "model": outcome["model"]}


def _run(client: MlflowClient, experiment: str, name: str, tags: Mapping[str, str]) -> str:
    """Return the run with this name and these tags, begun if there is none."""
    wanted = {"mlflow.runName": name, **tags}
    query = " and ".join(f"tags.`{key}` = '{value}'" for key, value in wanted.items())
    runs = client.search_runs([experiment], query, max_results=1)
    if runs:
        return runs[0].info.run_id
    return client.create_run(experiment, tags=dict(tags), run_name=name).info.run_id


def _write(client: MlflowClient, run: str, trial: Mapping[str, Any], state: str = "") -> None:
    """Write a trial's values and losses, unless the run is finished."""
    if client.get_run(run).info.status == "FINISHED" and state:
        return
    now = time.time_ns() // 10**6
    params = [Param(key, text) for key, text in flatten(trial["values"]).items()]
    losses = list(enumerate(trial["curve"], start=1))
    metrics = [Metric("lowest_validation_loss", loss, now, epoch) for epoch, loss in losses]
    if trial["validation_loss"] is not None:
        metrics.append(Metric("validation_loss", trial["validation_loss"], now, 0))
    if state:
        client.set_tag(run, "state", state)
        client.log_batch(run, params=params)
    for first in range(0, len(metrics), METRICS_PER_REQUEST):
        client.log_batch(run, metrics=metrics[first : first + METRICS_PER_REQUEST])
    client.set_terminated(run)
