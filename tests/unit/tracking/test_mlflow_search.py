"""A search in MLflow, read back through its own interface."""

import copy
import sys
import warnings

import pytest
from mlflow import MlflowClient

from equimorph.errors import InputError
from equimorph.search.outcome import best_of
from equimorph.tracking.open import open_search_record
from tests.unit.search.searches import results

OUTCOME = {
    "study": "demo",
    "model": "D4",
    "database": "demo-aaaaaaaaaaaaaaaa",
    "trials": results(),
    "best": best_of(results()),
}


def settings(folder):
    return {"study": "demo", "folder": str(folder), "mlflow": f"sqlite:///{folder}/mlflow.db"}


def runs(folder):
    """All runs by name."""
    client = MlflowClient(tracking_uri=settings(folder)["mlflow"])
    number = client.get_experiment_by_name("demo").experiment_id
    return client, {run.info.run_name: run for run in client.search_runs([number])}


def test_each_trial_is_a_run_within_that_of_the_search(tmp_path):
    write = open_search_record(settings(tmp_path))
    early = copy.deepcopy(OUTCOME)
    early["trials"] = early["trials"][:4]
    write(early)
    write(OUTCOME)
    write(OUTCOME)  # nothing stands there twice
    client, found = runs(tmp_path)
    assert set(found) == {"search-D4", *(f"trial-{n}" for n in range(1, 8))}
    parent = found.pop("search-D4")
    assert parent.data.tags["best_trial"] == str(OUTCOME["best"]["trial"])
    assert parent.data.metrics["validation_loss"] == OUTCOME["best"]["validation_loss"]
    for trial in OUTCOME["trials"]:
        run = found[f"trial-{trial['trial']}"]
        assert run.data.tags["mlflow.parentRunId"] == parent.info.run_id
        assert run.data.tags["state"] == trial["state"]
        assert float(run.data.params["learning_rate"]) == trial["values"]["learning_rate"]
        points = client.get_metric_history(run.info.run_id, "lowest_validation_loss")
        curve = [point.value for point in sorted(points, key=lambda point: point.step)]
        assert curve == trial["curve"]
        assert run.data.metrics.get("validation_loss") == trial["validation_loss"]


def test_without_a_store_nothing_is_done(tmp_path):
    open_search_record({})(OUTCOME)
    open_search_record({**settings(tmp_path), "mlflow": None})(OUTCOME)
    assert not list(tmp_path.iterdir())


def test_a_record_that_fails_costs_one_warning(tmp_path):
    (tmp_path / "file").write_text("")
    write = open_search_record({**settings(tmp_path), "mlflow": f"sqlite:///{tmp_path}/file/x.db"})
    with warnings.catch_warnings(record=True) as seen:
        warnings.simplefilter("always")
        write(OUTCOME)
    assert [str(one.message).startswith("track.mlflow: the search is not") for one in seen] == [
        True
    ]


def test_a_missing_package_is_named_before_the_search(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "equimorph.tracking.mlflow_search", None)
    with pytest.raises(InputError, match="track.mlflow: the package cannot be imported"):
        open_search_record(settings(tmp_path))
