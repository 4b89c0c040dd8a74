"""A training as an MLflow run, read back through MLflow's own interface."""

import socket
import time
import warnings
from pathlib import Path

import pytest

from equimorph.tracking.tracker import flatten
from tests.unit.tracking.records import (
    EPOCHS,
    child,
    client,
    curves,
    production,
    read,
    record_result,
    run_training,
    runs,
    scalars,
    track,
    values,
)


def test_a_killed_training_goes_on_in_the_same_run(tracked):
    (run,) = runs(tracked.folder)
    assert run.info.run_id == tracked.first
    assert run.info.status == "FINISHED" and run.info.run_name == "CNN-seed-0-split-5a5a5a5a"
    found, history = curves(tracked.folder, run), tracked.history
    for key in history.columns.drop(["epoch", "seconds"]):
        assert found[key] == list(zip(history["epoch"], history[key], strict=True)), key
    assert [s for s, _ in found["seconds"]] == [1, 2, 3, 4]


def test_parameters_measures_and_files_are_recorded(tracked):
    (run,) = runs(tracked.folder)
    parameters = run.data.params
    assert parameters == flatten(values())
    assert parameters["recipe.schedule.kind"] == "constant"
    assert parameters["specification.fields"] == "[2, 4, 6]"
    history = tracked.history
    best = history.loc[history["validation_loss"].idxmin()]
    metrics = run.data.metrics
    for key in ("validation_loss", "validation_accuracy", "validation_macro_f1"):
        assert metrics[f"best_{key}"] == best[key]
    assert metrics["best_epoch"] == best["epoch"] and metrics["parameters"] == 7
    assert not any("test" in key for key in metrics)
    tags = run.data.tags
    assert (tags["commit"], tags["versions.torch"], tags["seed"]) == ("c0", "2", "0")
    files = {file.path for file in client(tracked.folder).list_artifacts(run.info.run_id)}
    assert files == {"history.csv", "run.json", "model"}
    assert Path(run.info.artifact_uri.removeprefix("file://")).is_relative_to(tracked.folder)


def test_nothing_goes_over_the_network(tracked):
    assert not (tracked.folder / "network.txt").exists()


def test_a_finished_job_that_is_trained_again_is_another_run(tmp_path):
    files = run_training(tmp_path, track(tmp_path, values()), values())
    (finished,) = runs(tmp_path)
    rows = []
    (tmp_path / "state.pt").unlink()
    run_training(tmp_path, track(tmp_path, values()), values(), report=rows.append)
    assert len(rows) == EPOCHS
    first, second = runs(tmp_path)
    assert first.info.run_id == finished.info.run_id
    assert [s for s, _ in curves(tmp_path, second)["train_loss"]] == [1, 2, 3, 4]
    assert [s for s, _ in scalars(tmp_path)["train_loss"]] == [1, 2, 3, 4]
    found = client(tmp_path)
    assert len(found.search_model_versions("name = 'demo-CNN'")) == 2
    # The same job gives the same loss: equal is not better.
    assert production(tmp_path) == ("1", read(files[1])["validation_loss"].min())

    # Killed between its last two steps: the state is still there, and nothing is recorded twice.
    track(tmp_path, values(), True).finish(*files)
    assert [run.info.status for run in runs(tmp_path)] == ["FINISHED"] * 2
    assert len(found.search_model_versions("name = 'demo-CNN'")) == 2
    again = curves(tmp_path, runs(tmp_path)[1])
    assert all(len({s for s, _ in points}) == len(points) for points in again.values())


def test_production_moves_to_better_models_alone(tmp_path):
    a_little_less = 0.39999999999999997
    versions = [(0.5, "1"), (0.6, "1"), (0.4, "3"), (0.4, "3"), (a_little_less, "5")]
    for seed, (loss, expected) in enumerate(versions):
        with warnings.catch_warnings():
            warnings.filterwarnings("error", message="track")
            record_result(tmp_path, loss, seed)
        assert production(tmp_path)[0] == expected
    with pytest.warns(UserWarning, match="stays at version 5, which was not judged on the valid"):
        record_result(tmp_path, 0.1, 9, split_sha256="b" * 64)
    assert production(tmp_path) == ("5", a_little_less)
    # What a person has put there stays.
    found = client(tmp_path)
    version = found.create_model_version("demo-CNN", str(tmp_path / "by-hand"))
    found.set_registered_model_alias("demo-CNN", "production", version.version)
    with pytest.warns(UserWarning, match="stays at version 7"):
        record_result(tmp_path, 0.01, 10)
    assert str(found.get_model_version_by_alias("demo-CNN", "production").version) == "7"


def test_parallel_jobs_share_a_store(tmp_path):
    losses = [0.7, 0.3]
    jobs = [child("record_result", tmp_path, loss, seed) for seed, loss in enumerate(losses)]
    for job in jobs:
        output, _ = job.communicate(timeout=600)
        assert (job.returncode, output) == (0, "")
    assert [run.info.status for run in runs(tmp_path)] == ["FINISHED"] * 2
    versions = client(tmp_path).search_model_versions("name = 'demo-CNN'")
    assert sorted(float(one.tags["validation_loss"]) for one in versions) == sorted(losses)
    assert production(tmp_path)[1] == 0.3


def test_a_server_that_is_away_costs_one_warning(tmp_path, monkeypatch):
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        address = f"http://127.0.0.1:{unused.getsockname()[1]}"
        with pytest.warns(UserWarning) as warned:
            tracker = track(tmp_path, values(), mlflow=address)
            files = run_training(tmp_path, tracker, values())
    (warning,) = [w for w in warned if w.category is UserWarning]
    assert "track.mlflow: the training is not recorded there from now on" in str(warning.message)
    assert len(read(files[1])) == EPOCHS
    assert len(scalars(tmp_path)["train_loss"]) == EPOCHS  # the other record goes on


def test_a_server_that_never_answers_costs_seconds(tmp_path, monkeypatch):
    """It takes connections and says nothing: MLflow alone would wait for minutes, and try again."""
    from equimorph.tracking import mlflow

    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    monkeypatch.setattr(mlflow, "ANSWER_SECONDS", 0.5)
    with socket.create_server(("127.0.0.1", 0), backlog=100) as silent:
        address = f"http://127.0.0.1:{silent.getsockname()[1]}"
        start = time.monotonic()
        with pytest.warns(UserWarning) as warned:
            tracker = track(tmp_path, values(), tensorboard=False, mlflow=address)
            assert time.monotonic() - start < 5
            files = run_training(tmp_path, tracker, values())
    (warning,) = [w for w in warned if w.category is UserWarning]
    assert f"({address}: no answer within 0.5 s, ReadTimeout)" in str(warning.message)
    assert len(read(files[1])) == EPOCHS
    assert time.monotonic() - start < 60
