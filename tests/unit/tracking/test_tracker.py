"""Records in TensorBoard and MLflow, read back through their own interfaces."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
import warnings
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
import torch

from equimorph.errors import InputError
from equimorph.io import read_json, write_json, write_text
from equimorph.models.checkpoint import save_checkpoint
from equimorph.models.initialisation import initialise
from equimorph.models.prediction import predict_logits
from equimorph.models.registry import build
from equimorph.models.trained import load_checkpoint
from equimorph.provenance import digest
from equimorph.study.config import check_config
from equimorph.study.models import resolve
from equimorph.study.yaml_files import merged
from equimorph.tracking.open import open_tracker
from equimorph.tracking.tracker import flatten
from equimorph.training.augment import Augmentation
from equimorph.training.loop import Labelled, train
from equimorph.training.recipe import Recipe
from tests.conftest import ROOT
from tests.jobs import TRUNK
from tests.unit.networks import checkpoint_metadata

CLASSES = ["Bright", "Dark"]
SIZE = TRUNK["input_size"]
SPECIFICATION = resolve("CNN", {"CNN": {"architecture": "cnn"}}, TRUNK)
EPOCHS = 4
NETWORK_EVENTS = ("socket.connect", "socket.getaddrinfo", "socket.gethostbyname")


def values(**changes):
    """What a training depends on, as the training script collects it."""
    recipe = {"epochs": EPOCHS, "learning_rate": 0.01, "schedule": {"kind": "constant"}}
    described = checkpoint_metadata(SPECIFICATION, CLASSES)
    return {**described, "recipe": recipe, "seed": 0, "split_sha256": "5a" * 32, **changes}


def track(folder, job, resumed=False, **settings):
    """Open the records in a folder, both unless the settings say otherwise."""
    store = {"tensorboard": True, "mlflow": f"sqlite:///{folder}/mlflow.db", **settings}
    place = {"study": "demo", "folder": str(folder)}
    return open_tracker({**place, **store}, "CNN", job, digest(job), resumed)


def images(count, seed):
    generator = torch.Generator().manual_seed(seed)
    labels = torch.arange(count) % 2
    noise = torch.randint(0, 90, (count, 3, SIZE, SIZE), generator=generator, dtype=torch.uint8)
    return Labelled(noise + 60 * (1 - labels.to(torch.uint8))[:, None, None, None], labels)


def whole_images(count, seed):
    return np.random.default_rng(seed).integers(0, 256, (count, 41, 41, 3), dtype=np.uint8)


def run_training(folder, tracker, job, epochs=EPOCHS, report=lambda row: None):
    """Train, and write and record the results, as the training script does."""
    network = build(SPECIFICATION, len(CLASSES))
    initialise(network, torch.Generator().manual_seed(0))
    augmentation = Augmentation(rotation=10, flip=0.5, scale=1, shift=0, brightness=0)
    recipe = Recipe(epochs, 16, 0.01, 0.01, 0.1, epochs, "float32", augmentation)
    state = (Path(folder, "state.pt"), digest(job))
    with tracker:
        outcome = train(
            network, images(32, 0), images(20, 1), recipe, 0, state, tracker.following(report)
        )
    files = write_results(folder, job, outcome.best_state, outcome.history, outcome.best_epoch)
    tracker.finish(*files)
    return files


def write_results(folder, job, state, history, best_epoch):
    files = [Path(folder, name) for name in ("model.safetensors", "history.csv", "run.json")]
    save_checkpoint(files[0], state, {**job, "model": "CNN"})
    write_text(files[1], pd.DataFrame(history).to_csv(index=False))
    run = {"model": "CNN", "best_epoch": best_epoch, "parameters": 7, "macs": None, "commit": "c0"}
    write_json(files[2], {**run, "versions": {"torch": "2"}, **job})
    return files


def child(function, *arguments, **environment):
    """Start a function of this module in a process that knows nothing of the tests."""
    kept = {key: os.environ[key] for key in ("PATH", "EQUIMORPH_CACHE") if key in os.environ}
    code = f"import sys; from {__name__} import {function}; {function}(*sys.argv[1:])"
    return subprocess.Popen(
        [sys.executable, "-c", code, *map(str, arguments)],
        cwd=ROOT,
        env={**kept, "PYTHONPATH": "workflow", "OMP_NUM_THREADS": "1", **environment},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def killed_training(folder):
    """Train and die after the third epoch is recorded, before its state is saved."""

    def note(event, details):
        if event in NETWORK_EVENTS:
            with open(Path(folder, "network.txt"), "a") as file:
                file.write(f"{event} {details}\n")

    def die(row):
        if row["epoch"] == 4:
            raise AssertionError("it must be dead by now")

    sys.addaudithook(note)
    torch.set_num_threads(1)
    tracker = track(folder, values())
    record = tracker.epoch

    def record_and_die(row):
        record(row)
        if row["epoch"] == 3:
            os.kill(os.getpid(), signal.SIGKILL)

    tracker.epoch = record_and_die
    run_training(folder, tracker, values(), report=die)


def client(folder):
    from equimorph.tracking.mlflow import MlflowClient  # with MLflow's settings as we want them

    uri = f"sqlite:///{folder}/mlflow.db"
    return MlflowClient(tracking_uri=uri, registry_uri=uri)


def runs(folder):
    found = client(folder)
    experiment = found.get_experiment_by_name("demo")
    return found.search_runs([experiment.experiment_id], order_by=["attributes.start_time ASC"])


def curves(folder, run):
    """Steps and values of every metric of an MLflow run."""
    points = {
        key: client(folder).get_metric_history(run.info.run_id, key) for key in run.data.metrics
    }
    return {key: [(p.step, p.value) for p in sorted(ps, key=step)] for key, ps in points.items()}


def step(point):
    return point.step


def scalars(folder):
    """Steps and values of every scalar of the one TensorBoard log in a folder."""
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    (log,) = Path(folder, "tensorboard", "demo").iterdir()
    events = EventAccumulator(str(log)).Reload()
    return {
        tag: [(event.step, event.value) for event in sorted(events.Scalars(tag), key=step)]
        for tag in events.Tags()["scalars"]
    }


@pytest.fixture(scope="module")
def tracked(tmp_path_factory):
    """A training that was killed after its third epoch and resumed, recorded in both places."""
    folder = tmp_path_factory.mktemp("tracked")
    process = child("killed_training", folder)
    output, _ = process.communicate(timeout=600)
    assert process.returncode == -signal.SIGKILL, output
    assert output == ""  # the packages say nothing
    first = [(run.info.run_id, run.info.status) for run in runs(folder)]
    assert [status for _, status in first] == ["RUNNING"]
    rows = []
    with warnings.catch_warnings():
        warnings.filterwarnings("error", message="track")
        files = run_training(folder, track(folder, values(), True), values(), report=rows.append)
    assert [row["epoch"] for row in rows] == [3, 4]  # it did resume, and trained the third again
    return SimpleNamespace(folder=folder, first=first[0][0], files=files, history=read(files[1]))


def read(path):
    return pd.read_csv(path, float_precision="round_trip")


def test_a_killed_training_goes_on_in_the_same_run(tracked):
    (run,) = runs(tracked.folder)
    assert run.info.run_id == tracked.first
    assert run.info.status == "FINISHED" and run.info.run_name == "CNN-seed-0-split-5a5a5a5a"
    found, history = curves(tracked.folder, run), tracked.history
    for key in history.columns.drop(["epoch", "seconds"]):
        assert found[key] == list(zip(history["epoch"], history[key], strict=True)), key
    assert [s for s, _ in found["seconds"]] == [1, 2, 3, 4]


def test_tensorboard_shows_each_epoch_once(tracked):
    found, history = scalars(tracked.folder), tracked.history
    for key in history.columns.drop(["epoch", "seconds"]):
        assert [s for s, _ in found[key]] == [1, 2, 3, 4], key
        assert [v for _, v in found[key]] == pytest.approx(list(history[key]), rel=1e-6)
    best = read_json(tracked.files[2])["best_epoch"]
    assert found["best_validation_loss"] == [
        (best, pytest.approx(history["validation_loss"].min(), rel=1e-6))
    ]


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


def test_the_registered_model_gives_the_logits_of_ours(tracked):
    from equimorph.tracking.mlflow import mlflow

    batch = whole_images(6, 2)
    checkpoint = load_checkpoint(tracked.files[0])
    expected = predict_logits(checkpoint.network, *checkpoint.prepare(batch))
    mlflow.set_tracking_uri(f"sqlite:///{tracked.folder}/mlflow.db")
    model = mlflow.pyfunc.load_model("models:/demo-CNN@production")
    assert np.array_equal(model.predict(batch), expected.numpy())
    shares = model.predict(batch, params={"output": "probabilities"})
    np.testing.assert_allclose(shares, expected.softmax(1).numpy(), rtol=1e-6)
    assert model.metadata.metadata["classes"] == CLASSES
    with pytest.raises(mlflow.exceptions.MlflowException, match="shape"):
        model.predict(batch[..., :-1])
    with pytest.raises(ValueError, match="output 'labels': allowed are logits, probabilities"):
        model.predict(batch, params={"output": "labels"})
    wide = np.pad(batch, ((0, 0), (20, 20), (20, 20), (0, 0)))  # the same scale, a larger field
    scale = {"pixel_scale": 65 / 41}
    assert np.array_equal(model.predict(wide, params=scale), expected.numpy())
    with pytest.raises(InputError, match="was trained on 65.0 arcsec"):
        model.predict(batch[:, 5:-5, 5:-5], params=scale)


def test_the_model_brings_its_code_and_holds_no_pickle(tracked, tmp_path):
    (run,) = runs(tracked.folder)
    place = client(tracked.folder).download_artifacts(run.info.run_id, "model", str(tmp_path))
    suffixes = {path.suffix for path in Path(place).rglob("*") if path.is_file()}
    assert suffixes <= {".py", ".yaml", ".txt", ".safetensors", ""}
    assert [p.name for p in Path(place).iterdir() if not p.suffix and p.is_file()] == ["MLmodel"]
    batch = whole_images(3, 3)
    np.save(tmp_path / "images.npy", batch)
    code = (
        "import sys, numpy, mlflow\n"
        "model = mlflow.pyfunc.load_model(sys.argv[1])\n"
        "numpy.save('logits.npy', model.predict(numpy.load('images.npy')))\n"
        "print(sys.modules['equimorph'].__file__)\n"
    )
    environment = {
        "PATH": os.environ["PATH"],
        "OMP_NUM_THREADS": "1",
        "MLFLOW_DISABLE_TELEMETRY": "true",
        "MLFLOW_ALLOW_PICKLE_DESERIALIZATION": "false",
    }
    done = subprocess.run(
        [sys.executable, "-c", code, place],
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
        check=True,
    )
    assert Path(done.stdout.split()[-1]).is_relative_to(place)
    checkpoint = load_checkpoint(tracked.files[0])
    expected = predict_logits(checkpoint.network, *checkpoint.prepare(batch))
    np.testing.assert_allclose(np.load(tmp_path / "logits.npy"), expected, rtol=1e-5, atol=1e-6)


def test_nothing_goes_over_the_network(tracked):
    assert not (tracked.folder / "network.txt").exists()


def test_a_finished_job_that_is_trained_again_is_another_run(tracked):
    rows = []
    (tracked.folder / "state.pt").unlink()
    run_training(tracked.folder, track(tracked.folder, values()), values(), report=rows.append)
    assert len(rows) == EPOCHS
    first, second = runs(tracked.folder)
    assert first.info.run_id == tracked.first
    assert [s for s, _ in curves(tracked.folder, second)["train_loss"]] == [1, 2, 3, 4]
    assert [s for s, _ in scalars(tracked.folder)["train_loss"]] == [1, 2, 3, 4]
    found = client(tracked.folder)
    assert len(found.search_model_versions("name = 'demo-CNN'")) == 2
    # The same job gives the same loss: equal is not better.
    assert production(tracked.folder) == ("1", tracked.history["validation_loss"].min())

    # Killed between its last two steps: the state is still there, and nothing is recorded twice.
    track(tracked.folder, values(), True).finish(*tracked.files)
    assert [run.info.status for run in runs(tracked.folder)] == ["FINISHED"] * 2
    assert len(found.search_model_versions("name = 'demo-CNN'")) == 2
    again = curves(tracked.folder, runs(tracked.folder)[1])
    assert all(len({s for s, _ in points}) == len(points) for points in again.values())


def test_off_nothing_is_imported(tmp_path):
    code = (
        "import sys\n"
        "from equimorph.tracking.open import open_tracker\n"
        "off = {'study': 'demo', 'folder': 'x', 'tensorboard': False, 'mlflow': None}\n"
        "tracker = open_tracker(off, 'CNN', {}, '', False)\n"
        "with tracker: tracker.following(print)({'epoch': 1})\n"
        "tracker.finish('absent', 'absent', 'absent')\n"
        "print(sorted({name.split('.')[0] for name in sys.modules}))\n"
    )
    root = ROOT
    environment = {"PATH": os.environ["PATH"], "PYTHONPATH": str(root / "workflow")}
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
        check=True,
    )
    row, modules = done.stdout.splitlines()
    assert row == "{'epoch': 1}" and "equimorph" in modules
    for package in ("mlflow", "tensorboard", "torch", "numpy", "sqlalchemy"):
        assert f"'{package}'" not in modules
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("package", ["tensorboard", "mlflow"])
def test_a_missing_package_is_named(package, tmp_path, monkeypatch):
    for name in [name for name in sys.modules if name.split(".")[0] == package]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, package, None)
    monkeypatch.delitem(sys.modules, f"equimorph.tracking.{package}", raising=False)
    wanted = {"tensorboard": package == "tensorboard"} | (
        {} if package == "mlflow" else {"mlflow": None}
    )
    with pytest.raises(
        InputError, match=rf"track.{package}: .*pip install 'equimorph\[tracking\]'"
    ):
        track(tmp_path, values(), **wanted)


def test_unknown_settings_are_named(tmp_path):
    with pytest.raises(InputError, match="track.wandb: unknown key; allowed are study, folder"):
        track(tmp_path, values(), wandb=True)


@pytest.mark.parametrize(
    "key, value, message",
    [
        ("mlflow", "work/mlflow.db", r"track.mlflow: 'work/mlflow.db' .* a text of the form"),
        ("mlflow", True, r"track.mlflow: True .* of type string or null"),
        ("tensorboard", "yes", r"track.tensorboard: 'yes' .* of type boolean"),
        ("wandb", True, r"track: unknown key wandb; allowed are mlflow, tensorboard"),
    ],
)
def test_the_config_says_what_is_allowed(config, schema, key, value, message):
    assert config["track"] == {"tensorboard": False, "mlflow": None}
    on = {"tensorboard": True, "mlflow": "sqlite:///work/tracking/mlflow.db"}
    check_config(merged(config, {"track": on}), schema)
    check_config(merged(config, {"track": {"mlflow": "https://mlflow.example.org"}}), schema)
    with pytest.raises(InputError, match=message):
        check_config(merged(config, {"track": {key: value}}), schema)


def record_result(folder, loss, seed, **changes):
    """Record a finished training of one epoch with a given validation loss."""
    folder, job = Path(folder), values(seed=int(seed), **changes)
    network = build(SPECIFICATION, len(CLASSES))
    state = {name: p.detach() for name, p in load_state(network).items()}
    row = {"epoch": 1, "train_loss": 1.0, "validation_loss": float(loss)}
    place = folder / f"result-{seed}-{loss}"
    place.mkdir(parents=True)
    track(folder, job, tensorboard=False).finish(*write_results(place, job, state, [row], 1))


def load_state(network):
    from equimorph.models.checkpoint import learned_state

    return learned_state(network)


def production(folder):
    """The version that the alias names, and its validation loss."""
    version = client(folder).get_model_version_by_alias("demo-CNN", "production")
    return str(version.version), float(version.tags["validation_loss"])


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


# TensorBoard writes in a thread of its own, which says so when it ends.
@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_a_full_disk_costs_a_warning_each_and_gaps_are_filled(tmp_path):
    disk = tmp_path / "disk"
    disk.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=16m", "tmpfs", str(disk)]
    if os.geteuid() != 0 or subprocess.run(mount, capture_output=True).returncode:
        pytest.skip("a small file system cannot be mounted here")
    filling, epochs = disk / "filling", 18  # the last block of a small file has room for some

    def fill(row):
        """Leave no byte before the second epoch is recorded."""
        if row["epoch"] == 2:
            with open(filling, "wb", buffering=0) as file:
                try:
                    while True:
                        file.write(bytes(4096))
                except OSError:
                    pass
        if row["epoch"] == epochs:
            filling.unlink()

    try:
        with pytest.warns(UserWarning) as warned:
            run_training(tmp_path, track(disk, values()), values(), epochs, fill)
        told = sorted(str(w.message).split(":")[0] for w in warned if w.category is UserWarning)
        assert told == ["track.mlflow", "track.tensorboard"]
        (run,) = runs(disk)
        assert run.info.status == "FINISHED"
        for found in (curves(disk, run), scalars(disk)):
            assert [s for s, _ in found["validation_loss"]] == list(range(1, epochs + 1))
        assert production(disk)[0] == "1"
    finally:
        close_store(disk)
        subprocess.run(["umount", str(disk)], check=True)


def close_store(folder):
    """Close MLflow's connections, which would keep the file system busy."""
    from mlflow.store.model_registry.sqlalchemy_store import SqlAlchemyStore as Registry
    from mlflow.store.tracking.sqlalchemy_store import SqlAlchemyStore as Tracking

    for store in (Tracking, Registry):
        for uri, engine in getattr(store, "_engine_map", {}).items():
            if str(folder) in uri:
                engine.dispose()


def test_files_that_cannot_be_read_cost_a_warning(tmp_path):
    tracker = track(tmp_path, values(), mlflow=None)
    with pytest.warns(UserWarning, match="track.tensorboard: .*No such file"):
        tracker.finish(tmp_path / "a", tmp_path / "b", tmp_path / "c")


def test_a_training_that_ends_by_an_exception_is_marked(tmp_path):
    for error, status in ((RuntimeError, "FAILED"), (KeyboardInterrupt, "KILLED")):
        tracker = track(tmp_path, values(), tensorboard=False)
        with pytest.raises(error), tracker:
            raise error
        (run,) = runs(tmp_path)
        assert run.info.status == status


def test_nested_values_become_texts_by_dotted_names():
    nested = {"a": {"b": None, "c": [1, 0.5], "d": {}}, "e": "text", "f": True}
    expected = {"a.b": "null", "a.c": "[1, 0.5]", "a.d": "{}", "e": "text", "f": "true"}
    assert flatten(nested) == expected
    assert json.loads(flatten({"x": 0.1 + 0.2})["x"]) == 0.1 + 0.2
