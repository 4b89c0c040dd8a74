"""The training loop with every recipe, and resuming it."""

import ctypes
import math
import mmap
import os
import random
import signal
import subprocess
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import torch
from torch import nn

from equimorph.errors import InputError, TrainingError
from equimorph.models.checkpoint import learned_state, load_learned_state
from equimorph.models.initialisation import initialise
from equimorph.models.prediction import predict_logits
from equimorph.models.registry import build
from equimorph.seeds import BATCHES, stream
from equimorph.study.models import resolve
from equimorph.training.augment import Augmentation, augment
from equimorph.training.averaging import Average
from equimorph.training.loop import Labelled, Recipe, train
from equimorph.training.losses.focal import Loss
from equimorph.training.optimisers import Schedule
from equimorph.training.recipe import read_recipe
from equimorph.training.resume import load_state, save_state
from tests.jobs import RECIPE, TRUNK, Job, blobs, train_script

ANY = Augmentation(rotation=180, flip=0.5, scale=1.2, shift=0.05, brightness=0.1)
# Every option at least once, and every schedule with something to remember.
RECIPES = {
    "one_cycle, ema": {"ema": 0.9},
    "multi_step, sgd, clip, weighted": {
        "optimiser": "sgd",
        "schedule": Schedule("multi_step", milestones=(2, 4), gamma=0.3),
        "grad_clip": 0.5,
        "sampler": "weighted",
    },
    "plateau, radam, ema, focal": {
        "optimiser": "radam",
        "schedule": Schedule("plateau", monitor="accuracy", patience=0, factor=0.5),
        "ema": 0.99,
        "loss": Loss(gamma=1.5, class_weights="effective"),
    },
    "cosine, adam, mixup, over": {
        "optimiser": "adam",
        "schedule": Schedule("cosine", T_0=2, T_mult=2),
        "mixup": 0.4,
        "sampler": "over",
    },
    "constant, every augmentation, under": {
        "schedule": Schedule("constant"),
        "learning_rate": 0.003,
        "sampler": "under",
        "augmentation": replace(
            ANY, shear=10, crop_area=(0.8, 1), perspective=0.2, contrast=0.2, hue=0.1
        ),
    },
}


def generator(seed=0):
    return torch.Generator().manual_seed(seed)


def recipe(**changes):
    values = {**RECIPE, "epochs": 5, "patience": 5, "augmentation": ANY, "loss": Loss()}
    return Recipe(**{**values, **changes})


def network(name="C4", seed=0):
    model = build(resolve(name, {"CNN": {"architecture": "cnn"}}, TRUNK), 2)
    initialise(model, generator(seed))
    return model


@pytest.mark.parametrize("name", ["C4", "CNN"])
def test_training_learns(name):
    progress = train(network(name), blobs(160, 0), blobs(40, 1), recipe(epochs=8, patience=8), 0)
    assert progress.history[progress.best_epoch - 1]["validation_accuracy"] >= 0.9
    assert progress.history[-1]["train_loss"] < progress.history[0]["train_loss"]


def test_best_state_is_that_of_the_best_epoch():
    model, validation = network(), blobs(40, 1)
    progress = train(model, blobs(96, 0), validation, recipe(), 0)
    losses = [row["validation_loss"] for row in progress.history]
    assert progress.best_epoch == losses.index(min(losses)) + 1
    load_learned_state(model, progress.best_state)
    accuracy = (predict_logits(model, validation.images).argmax(1) == validation.labels).double()
    expected = progress.history[progress.best_epoch - 1]["validation_accuracy"]
    assert accuracy.mean().item() == pytest.approx(expected)


def test_bfloat16_trains():
    progress = train(network(), blobs(64, 0), blobs(20, 1), recipe(precision="bfloat16"), 0)
    assert progress.history[-1]["train_loss"] < progress.history[0]["train_loss"]


def test_same_seed_same_weights_other_seed_others():
    runs = [train(network(), blobs(64, 0), blobs(20, 1), recipe(), seed) for seed in (1, 1, 2)]
    weights = [run.best_state["classifier.0.weight"] for run in runs]
    assert torch.equal(weights[0], weights[1]) and not torch.equal(weights[0], weights[2])


def test_early_stopping():
    # Labels without any relation to the images: the validation loss soon stops falling.
    training, validation = blobs(64, 0), blobs(40, 1)
    training.labels[:] = torch.randint(0, 2, (64,), generator=generator(9))
    progress = train(network(), training, validation, recipe(epochs=40, patience=2), 0)
    assert len(progress.history) == progress.best_epoch + 2 < 40


@pytest.mark.parametrize("interrupted", [False, True])
def test_only_min_delta_counts_for_patience(interrupted, tmp_path):
    """Against the epochs of the same training without early stopping, also when it is resumed."""
    training, validation = blobs(64, 0), blobs(40, 1)
    wanted = {"epochs": 24, "learning_rate": 0.002, "schedule": Schedule("constant")}
    chosen = recipe(**wanted, patience=24)
    losses = [
        row["validation_loss"] for row in train(network(), training, validation, chosen, 0).history
    ]
    least, patience = 0.03, 3
    counted, reference, last = 0, math.inf, None
    for epoch, loss in enumerate(losses, start=1):
        if loss < reference - least:
            counted, reference = epoch, loss
        if epoch - counted == patience:
            last = epoch
            break
    lowest = losses.index(min(losses[:last])) + 1
    assert last and last < 24  # it stops early,
    assert lowest > counted  # though the loss still fell, by less than counts

    chosen = recipe(**wanted, patience=patience, min_delta=least)
    resume = (tmp_path / "state.pt", "digest")
    if interrupted:
        with pytest.raises(KeyboardInterrupt):
            train(network(), training, validation, chosen, 0, resume, interrupt)
    progress = train(network(), training, validation, chosen, 0, resume)
    assert [row["validation_loss"] for row in progress.history] == losses[:last]
    assert (progress.best_epoch, progress.counted_epoch) == (lowest, counted)


def test_a_loss_that_is_not_finite_stops_the_job():
    with pytest.raises(TrainingError, match=r"epoch 1, learning rate .*: the train loss is nan"):
        model = network()
        with torch.no_grad():
            model.classifier[0].weight.fill_(float("nan"))
        train(model, blobs(64, 0), blobs(20, 1), recipe(), 0)


def test_a_batch_larger_than_the_training_set_is_refused():
    with pytest.raises(TrainingError, match="batch_size 16: larger than the training set"):
        train(network(), blobs(8, 0), blobs(8, 1), recipe(), 0)


def unequal(count=72):
    """Training images of which one in three is of the second class."""
    both = blobs(2 * count, 0)
    kept = torch.cat([torch.arange(0, count * 4 // 3, 2), torch.arange(1, count * 2 // 3, 2)])
    return Labelled(both.images[kept], both.labels[kept])


def timeless(progress):
    return [{k: v for k, v in row.items() if k != "seconds"} for row in progress.history]


def equal(one, other):
    return one.keys() == other.keys() and all(torch.equal(one[name], other[name]) for name in one)


def test_the_default_recipe_is_adamw_one_cycle_and_label_smoothing():
    """Against the loop written out: no option that is off may change a bit."""
    training, model, trained = blobs(72, 0), network("CNN"), network("CNN")
    train(trained, training, blobs(20, 1), recipe(epochs=2), 7)

    draws = stream(7, BATCHES)
    optimiser = torch.optim.AdamW(model.parameters(), lr=0.01, weight_decay=0.01)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, 0.01, total_steps=8)
    for _ in range(2):
        model.train()
        order = torch.randperm(72, generator=draws)
        for batch in order[:64].split(16):
            images = augment(training.images[batch], ANY, draws)
            loss = nn.functional.cross_entropy(
                model(images), training.labels[batch], label_smoothing=0.1
            )
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
            schedule.step()
    assert equal(learned_state(model), learned_state(trained))


@pytest.mark.parametrize("changes", RECIPES.values(), ids=RECIPES)
def test_every_recipe_learns(changes):
    changed = recipe(epochs=10, patience=10, **changes)
    progress = train(network("CNN"), blobs(160, 0), blobs(40, 1), changed, 0)
    best = progress.history[progress.best_epoch - 1]
    assert best["validation_accuracy"] >= 0.85
    assert progress.images == 10 * 160


@pytest.mark.parametrize("stop_after", [1, 3])
@pytest.mark.parametrize("name, changes", [("D4", {}), *(("CNN", c) for c in RECIPES.values())])
def test_a_resumed_run_ends_bit_equal(name, changes, stop_after, tmp_path):
    class Killed(Exception):
        pass

    def kill(row):
        if row["epoch"] == stop_after + 1:
            raise Killed

    training, validation, chosen = unequal(), blobs(20, 1), recipe(epochs=6, patience=6, **changes)
    whole = network(name)
    expected = train(whole, training, validation, chosen, 7)

    resume = (tmp_path / "state.pt", "digest")
    with pytest.raises(Killed):
        train(network(name), training, validation, chosen, 7, resume, kill)
    second = network(name, seed=99)  # its own weights must not matter
    resumed = train(second, training, validation, chosen, 7, resume)
    assert equal(learned_state(whole), learned_state(second))
    assert equal(expected.best_state, resumed.best_state)
    assert timeless(expected) == timeless(resumed)
    assert (expected.best_epoch, expected.images) == (resumed.best_epoch, resumed.images)


def test_dropout_is_seeded_and_resumes_bit_equal(tmp_path):
    def dropped(seed=0):
        return nn.Sequential(network("CNN", seed), nn.Dropout(0.5))

    training, validation, resume = blobs(64, 0), blobs(20, 1), (tmp_path / "state.pt", "digest")
    runs = []
    for _ in range(2):
        torch.rand(3)  # the global generator is elsewhere
        runs.append(train(dropped(), training, validation, recipe(epochs=4), 7))
    assert equal(runs[0].best_state, runs[1].best_state)
    with pytest.raises(KeyboardInterrupt):
        train(dropped(), training, validation, recipe(epochs=4), 7, resume, interrupt)
    resumed = train(dropped(5), training, validation, recipe(epochs=4), 7, resume)
    assert timeless(resumed) == timeless(runs[0])


def interrupt(row):
    if row["epoch"] == 3:
        raise KeyboardInterrupt


def test_the_sampler_sets_the_length_of_an_epoch():
    training = unequal(72)  # 48 and 24
    lengths = {"none": 64, "weighted": 64, "over": 96, "under": 48}  # multiples of the batch
    for sampler, length in lengths.items():
        chosen = recipe(epochs=1, sampler=sampler)
        assert train(network("CNN"), training, blobs(20, 1), chosen, 0).images == length


def test_clipping_bounds_the_step():
    def moved(**changes):
        model = network("CNN")
        before = {name: p.detach().clone() for name, p in model.named_parameters()}
        chosen = recipe(
            epochs=1, optimiser="sgd", momentum=0.0, weight_decay=0.0, learning_rate=1.0, **changes
        )
        train(model, blobs(16, 0), blobs(20, 1), replace(chosen, schedule=Schedule("constant")), 0)
        return (
            sum((p.detach() - before[name]).square().sum() for name, p in model.named_parameters())
            ** 0.5
        )

    free = float(moved())
    assert float(moved(grad_clip=free / 3)) == pytest.approx(free / 3, rel=1e-3)
    assert float(moved(grad_clip=free * 3)) == pytest.approx(free, rel=1e-3)


def test_the_plateau_reads_the_validation():
    chosen = recipe(
        epochs=8,
        patience=8,
        schedule=Schedule("plateau", monitor="accuracy", patience=0, factor=0.5),
        learning_rate=0.003,
    )
    history = train(network("CNN"), blobs(96, 0), blobs(20, 1), chosen, 0).history
    rate, best = 0.003, 0.0
    for row in history:
        assert row["lr"] == pytest.approx(rate)
        if row["validation_accuracy"] > best * (1 + 1e-4):
            best = row["validation_accuracy"]
        else:
            rate /= 2
    assert rate < 0.003


def test_mixup_trains_on_mixed_targets():
    losses = {}
    for share in (None, 0.4):
        progress = train(
            network("CNN"), blobs(96, 0), blobs(20, 1), recipe(epochs=6, mixup=share), 0
        )
        losses[share] = progress.history[-1]["train_loss"]
    assert losses[0.4] > losses[None] + 0.05  # mixed targets have an entropy of their own


def test_the_average_is_that_of_weights_and_running_statistics():
    model = nn.Sequential(nn.Conv2d(3, 2, 3), nn.BatchNorm2d(2))
    average = Average(model, 0.5)
    expected = {name: tensor.clone() for name, tensor in learned_state(model).items()}
    for step in range(12):
        with torch.no_grad():
            model[0].weight.normal_(generator=generator(step))
        model(torch.rand(4, 3, 5, 5, generator=generator(step)))
        average.update()
        decay = min(0.5, (1 + step) / (10 + step))
        for name, value in learned_state(model).items():
            mixed = decay * expected[name] + (1 - decay) * value
            expected[name] = mixed if value.is_floating_point() else value.clone()
    present = {name: tensor.clone() for name, tensor in learned_state(model).items()}
    with average.in_place():
        for name, value in learned_state(model).items():
            torch.testing.assert_close(value, expected[name])
        assert not torch.equal(model[1].running_mean, present["1.running_mean"])
    assert equal(learned_state(model), present)


@pytest.mark.parametrize("name", ["D4", "CNN"])
def test_the_average_is_validated_and_kept_and_the_weights_train_on(name):
    training, validation, plain, averaged = blobs(96, 0), blobs(40, 1), network(name), network(name)
    train(plain, training, validation, recipe(epochs=3), 0)
    progress = train(averaged, training, validation, recipe(epochs=3, ema=0.95), 0)
    assert equal(learned_state(plain), learned_state(averaged))  # steps know nothing of the average
    best = progress.history[progress.best_epoch - 1]
    load_learned_state(averaged, progress.best_state)
    loss = nn.functional.cross_entropy(
        predict_logits(averaged, validation.images), validation.labels
    )
    assert loss.item() == pytest.approx(best["validation_loss"], rel=1e-5)
    assert not equal(learned_state(plain), progress.best_state)


def test_a_recipe_is_read_from_plain_values():
    settings = {
        **{k: v for k, v in vars(recipe()).items() if k not in ("schedule", "loss")},
        "augmentation": {**vars(ANY), "crop_area": [0.8, 1.0]},
        "schedule": {"kind": "multi_step", "milestones": [2, 4]},
        "optimiser": "sgd",
    }
    read = read_recipe(settings)
    assert read.augmentation.crop_area == [0.8, 1.0] and read.schedule.gamma == 0.1
    assert read.loss == Loss() and read.optimiser == "sgd"
    train(network("CNN"), blobs(32, 0), blobs(20, 1), replace(read, epochs=1), 0)


@pytest.mark.parametrize(
    "changes, message",
    [
        ({"optimiser": "lion"}, "train.optimiser 'lion': allowed are adamw, adam, radam, sgd"),
        ({"schedule": Schedule("linear")}, "train.schedule.kind 'linear': allowed are one_cycle"),
        (
            {"schedule": Schedule("plateau", monitor="f1")},
            "schedule.monitor 'f1': allowed are loss",
        ),
        ({"sampler": "both"}, "train.sampler 'both': allowed are none, weighted, over, under"),
        ({"precision": "float16"}, "train.precision 'float16': allowed are float32, bfloat16"),
        ({"augmentation": replace(ANY, crop_area=(1.0, 0.8))}, "crop_area 1.0, 0.8: allowed are"),
    ],
)
def test_what_a_recipe_cannot_be(changes, message):
    with pytest.raises(InputError, match=message):
        train(network("CNN"), blobs(32, 0), blobs(20, 1), recipe(**changes), 0)


def test_a_full_disk_keeps_the_last_state_and_says_so(tmp_path):
    disk = tmp_path / "disk"
    disk.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(disk)]
    if os.geteuid() != 0 or subprocess.run(mount, capture_output=True).returncode:
        pytest.skip("a small file system cannot be mounted here")
    try:
        path = disk / "state.pt"
        with pytest.raises(InputError, match="the disk is full .* no epoch is saved yet"):
            save_state(path, "a", {"x": torch.zeros(2**20)})
        save_state(path, "a", {"x": torch.ones(2)})
        with pytest.raises(InputError, match="the disk is full .* the epoch before is kept"):
            save_state(path, "a", {"x": torch.zeros(2**20)})
        assert torch.equal(load_state(path, "a")["x"], torch.ones(2))
        assert [file.name for file in disk.iterdir()] == ["state.pt"]
    finally:
        subprocess.run(["umount", str(disk)], check=True)


def test_a_state_half_written_is_removed_by_the_next_run(tmp_path):
    path = tmp_path / "state.pt"
    save_state(path, "a", {"x": torch.ones(2)})
    (tmp_path / ".state.pt.123.tmp").write_bytes(b"half")
    (tmp_path / ".state.pt2.123.tmp").write_bytes(b"of another file")
    assert torch.equal(load_state(path, "a")["x"], torch.ones(2))
    assert sorted(file.name for file in tmp_path.iterdir()) == [".state.pt2.123.tmp", "state.pt"]


def test_resume_files_of_other_jobs_and_damaged_ones_are_ignored(tmp_path):
    path = tmp_path / "state.pt"
    assert load_state(path, "a") is None
    save_state(path, "a", {"x": torch.ones(2)})
    assert torch.equal(load_state(path, "a")["x"], torch.ones(2))
    with pytest.warns(UserWarning, match="of another config"):
        assert load_state(path, "b") is None
    whole, draw = path.read_bytes(), random.Random(0)
    position = whole.index(torch.ones(2).numpy().tobytes())
    damaged = [whole[:size] for size in range(0, len(whole), 50)]
    damaged += [draw.randbytes(size) for size in (1, 30, 1000) for _ in range(10)]
    damaged += [b"PK", b"not a state", whole[:position] + b"\x01" + whole[position + 1 :]]
    for content in damaged:
        path.write_bytes(content)
        with pytest.warns(UserWarning, match="not readable, training starts anew"):
            assert load_state(path, "a") is None


def test_the_test_set_changes_nothing(tmp_path):
    """Other test images and labels, under the same hashes: the same model to the bit."""
    runs = []
    for name in ("as it is", "other"):
        job = Job(tmp_path / name, "D4", epochs=2, patience=2)
        if name == "other":
            images = np.load(job.images)
            images[:20] = np.random.default_rng(0).integers(256, size=images[:20].shape)
            np.save(job.images, images)
            split = pd.read_csv(job.split)
            split.loc[split["subset"] == "test", "label"] ^= 1
            split.to_csv(job.split, index=False)
        assert job.finish() == 0, job.log.read_text()
        runs.append(job)
    assert runs[0].images.read_bytes() != runs[1].images.read_bytes()
    assert runs[0].model.read_bytes() == runs[1].model.read_bytes()
    assert runs[0].read_history().equals(runs[1].read_history())


class Forbid:
    """Make some rows of the images unreadable: who reads one dies of it."""

    def __init__(self, rows):
        self.rows = rows

    def __call__(self):
        """Change the script's way to open images."""
        opened = train_script.open_images
        train_script.open_images = lambda path: self.forbid(opened(path))

    def forbid(self, images):
        """Protect the pages that hold these rows alone."""
        start, row = images.ctypes.data, images.strides[0]
        first = -(-(start + self.rows.start * row) // mmap.PAGESIZE) * mmap.PAGESIZE
        last = (start + self.rows.stop * row) // mmap.PAGESIZE * mmap.PAGESIZE
        assert last - first > 0.8 * len(self.rows) * row
        libc = ctypes.CDLL(None, use_errno=True)
        none = 0  # PROT_NONE
        assert libc.mprotect(ctypes.c_void_p(first), ctypes.c_size_t(last - first), none) == 0
        return images


def test_training_never_reads_a_test_image(tmp_path):
    """The pages of the test images may not be read; those of another subset may not be either."""
    job = Job(tmp_path, epochs=1, patience=1)  # 20 test, 20 validation, 64 training images
    for rows in (range(20, 40), range(40, 104)):
        assert job.finish(Forbid(rows)) == -signal.SIGSEGV
    assert not job.model.exists()
    assert job.finish(Forbid(range(20))) == 0, job.log.read_text()
    assert job.model.exists()
