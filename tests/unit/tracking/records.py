"""A small training, recorded in TensorBoard and MLflow, and what their own interfaces then tell."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import torch

from equimorph.io import write_json, write_text
from equimorph.models.checkpoint import save_checkpoint
from equimorph.models.initialisation import initialise
from equimorph.models.registry import build
from equimorph.provenance import digest
from equimorph.study.models import resolve
from equimorph.tracking.open import open_tracker
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


def read(path):
    return pd.read_csv(path, float_precision="round_trip")


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
