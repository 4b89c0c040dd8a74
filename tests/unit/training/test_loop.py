"""The training loop with every recipe; it reads no test image."""

import ctypes
import math
import mmap
import signal
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import torch
from sklearn.metrics import f1_score
from torch import nn
from torch.utils.data import DataLoader

from equimorph.errors import TrainingError
from equimorph.models.checkpoint import learned_state, load_learned_state
from equimorph.models.prediction import predict_logits
from equimorph.models.trained import load_checkpoint
from equimorph.seeds import BATCHES, stream
from equimorph.training.augment import Augmentation, augment
from equimorph.training.loop import macro_f1, train
from equimorph.training.optimisers import Schedule
from tests.jobs import Job, blobs, train_script
from tests.unit.training.trainings import (
    ANY,
    RECIPES,
    equal,
    generator,
    interrupt,
    network,
    recipe,
    unequal,
)

STILL = Augmentation(rotation=0, flip=0, scale=1, shift=0, brightness=0)


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


@pytest.mark.parametrize("interrupted", [False, True])
def test_epochs_between_validations(interrupted, tmp_path):
    """The weights are those of the training that validates every epoch; fewer can be kept."""
    training, validation = blobs(64, 0), blobs(40, 1)
    every = train(network(), training, validation, recipe(epochs=8, patience=8), 0)
    losses = [row["validation_loss"] for row in every.history]

    chosen = recipe(epochs=8, patience=8, validate_every=3)
    resume = (tmp_path / "state.pt", "digest")
    if interrupted:
        with pytest.raises(KeyboardInterrupt):
            train(network(), training, validation, chosen, 0, resume, interrupt)
    seldom = train(network(), training, validation, chosen, 0, resume)
    expected = [loss if epoch in (3, 6, 8) else math.nan for epoch, loss in enumerate(losses, 1)]
    found = [row["validation_loss"] for row in seldom.history]
    assert found == pytest.approx(expected, abs=0, nan_ok=True)
    assert [list(row) for row in seldom.history] == [list(row) for row in every.history]
    assert seldom.best_epoch == min((3, 6, 8), key=lambda epoch: losses[epoch - 1])
    train_losses = [[row["train_loss"] for row in run.history] for run in (seldom, every)]
    assert train_losses[0] == train_losses[1]


def test_patience_counts_epochs_that_are_not_validated():
    training, validation = blobs(64, 0), blobs(40, 1)
    training.labels[:] = torch.randint(0, 2, (64,), generator=generator(9))
    progress = train(
        network(), training, validation, recipe(epochs=40, patience=4, validate_every=2), 0
    )
    assert len(progress.history) == progress.counted_epoch + 4 < 40


def test_a_loss_that_is_not_finite_stops_the_job():
    with pytest.raises(TrainingError, match=r"epoch 1, learning rate .*: the train loss is nan"):
        model = network()
        with torch.no_grad():
            model.classifier[0].weight.fill_(float("nan"))
        train(model, blobs(64, 0), blobs(20, 1), recipe(), 0)


def test_a_batch_larger_than_the_training_set_is_refused():
    with pytest.raises(TrainingError, match="batch_size 16: larger than the training set"):
        train(network(), blobs(8, 0), blobs(8, 1), recipe(), 0)


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


def test_the_test_set_changes_nothing(tmp_path):
    """Other test images and labels: the same weights to the bit."""
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
    assert equal(*(learned_state(load_checkpoint(run.model).network) for run in runs))
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


@pytest.mark.parametrize("keep", ["loss", "accuracy", "last"])
def test_the_epoch_that_is_kept(keep):
    """Labels of noise, so that loss, accuracy and time each choose another epoch."""
    training, validation = blobs(64, 0), blobs(40, 1)
    training.labels[:] = torch.randint(0, 2, (64,), generator=generator(9))
    model = network()
    progress = train(model, training, validation, recipe(epochs=6, patience=6, keep=keep), 0)
    losses = [row["validation_loss"] for row in progress.history]
    accuracies = [row["validation_accuracy"] for row in progress.history]
    expected = {
        "loss": losses.index(min(losses)) + 1,
        "accuracy": accuracies.index(max(accuracies)) + 1,
        "last": 6,
    }
    assert len(set(expected.values())) > 1
    assert progress.best_epoch == expected[keep]
    assert progress.best_loss == losses[expected[keep] - 1]
    load_learned_state(model, progress.best_state)
    accuracy = (predict_logits(model, validation.images).argmax(1) == validation.labels).double()
    assert accuracy.mean().item() == pytest.approx(accuracies[expected[keep] - 1])


@pytest.mark.parametrize(("length", "shown"), [(64, 64), (72, 72), (65, 64), (10, 10)])
def test_the_last_batch_may_be_smaller(length, shown):
    """Against the loop written out, with torch's loader; a single image is no batch."""
    training = blobs(length, 0)
    model, trained = network("CNN"), network("CNN")
    chosen = {"epochs": 1, "schedule": Schedule("constant"), "augmentation": STILL}
    progress = train(trained, training, blobs(20, 1), recipe(**chosen, drop_last=False), 7)
    assert progress.images == shown

    draws = stream(7, BATCHES)
    optimiser = torch.optim.AdamW(model.parameters(), lr=0.01, weight_decay=0.01)
    model.train()
    order, losses = torch.randperm(length, generator=draws), []
    for batch in DataLoader(order[:shown], batch_size=16, drop_last=False):
        images = augment(training.images[batch], STILL, draws)
        logits = model(images)
        loss = nn.functional.cross_entropy(logits, training.labels[batch], label_smoothing=0.1)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        losses += len(batch) * [loss.item()]
    assert equal(learned_state(model), learned_state(trained))
    assert progress.history[0]["train_loss"] == pytest.approx(np.mean(losses))
    assert 0 <= progress.history[0]["train_accuracy"] <= 1


def test_nothing_to_show_is_refused_without_drop_last_too():
    with pytest.raises(TrainingError, match="batch_size 16: larger than the training set"):
        train(network(), blobs(1, 0), blobs(8, 1), recipe(drop_last=False), 0)


@pytest.mark.parametrize("classes", [2, 10, 40])
def test_macro_f1_is_that_of_scikit_learn(classes):
    """Of 40 classes, some are true or predicted nowhere."""
    labels, predicted = torch.randint(classes, (2, 60), generator=generator())
    expected = f1_score(labels, predicted, average="macro", zero_division=0)
    assert macro_f1(predicted, labels) == pytest.approx(expected, rel=1e-12)
