"""Training, read once from top to bottom."""

import math
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from sklearn.metrics import f1_score
from torch import nn
from torch.nn.functional import cross_entropy

from equimorph.errors import TrainingError
from equimorph.models.checkpoint import learned_state, load_learned_state
from equimorph.seeds import BATCHES, stream
from equimorph.training.augment import Augmentation, augment
from equimorph.training.resume import load_state, save_state


@dataclass(frozen=True)
class Recipe:
    """How a network is trained.

    Attributes:
        epochs: passes over the training set.
        batch_size: images per step; the last, smaller batch of an epoch is left out.
        learning_rate: peak of the one-cycle schedule (Smith and Topin 2018).
        weight_decay: of AdamW.
        label_smoothing: probability mass spread over all classes.
        patience: epochs without a lower validation loss after which training stops.
        precision: `float32` or `bfloat16` (autocast).
        augmentation: of the training images.
    """

    epochs: int
    batch_size: int
    learning_rate: float
    weight_decay: float
    label_smoothing: float
    patience: int
    precision: str
    augmentation: Augmentation


@dataclass(frozen=True)
class Labelled:
    """Images on the training device.

    Attributes:
        images: (N, 3, S, S) uint8 grey levels.
        labels: (N,) int64.
    """

    images: torch.Tensor
    labels: torch.Tensor

    def __len__(self) -> int:
        return len(self.labels)


@dataclass
class Progress:
    """What training has reached: all that resuming needs beside network and optimiser."""

    history: list[dict[str, float]] = field(default_factory=list)
    best_epoch: int = 0
    best_loss: float = math.inf
    best_state: dict[str, torch.Tensor] = field(default_factory=dict)
    seconds: float = 0.0


def train(
    network: nn.Module,
    training: Labelled,
    validation: Labelled,
    recipe: Recipe,
    seed: int,
    resume: tuple[Path, str] | None = None,
    report: Callable[[dict[str, float]], None] = lambda row: None,
) -> Progress:
    """Train `network` in place and return the state of its best epoch on the validation set.

    The test set is no argument: selection sees the validation set alone.

    Args:
        network: with initial weights, on the device of the images.
        training: what the weights are fitted to.
        validation: what the epoch is chosen on, by the lowest cross-entropy.
        recipe: how.
        seed: of shuffling and augmentation.
        resume: file for the state of an unfinished run, and the digest that it must carry.
        report: called with each epoch's row of the history.

    Raises:
        TrainingError: the loss is not finite; the message names epoch and learning rate.
    """
    generator = stream(seed, BATCHES)
    steps = len(training) // recipe.batch_size
    if steps == 0:
        raise TrainingError(
            f"batch_size {recipe.batch_size}: larger than the training set ({len(training)})."
        )
    optimiser = torch.optim.AdamW(
        network.parameters(), lr=recipe.learning_rate, weight_decay=recipe.weight_decay
    )
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimiser, recipe.learning_rate, total_steps=steps * recipe.epochs
    )
    progress = Progress()
    saved = load_state(*resume) if resume else None
    if saved:
        progress = Progress(**saved["progress"])
        load_learned_state(network, saved["network"])
        optimiser.load_state_dict(saved["optimiser"])
        schedule.load_state_dict(saved["schedule"])
        generator.set_state(saved["generator"])

    for epoch in range(len(progress.history) + 1, recipe.epochs + 1):
        if epoch - progress.best_epoch > recipe.patience:
            break
        started = time.perf_counter()
        network.train()
        loss_sum = torch.zeros((), device=training.images.device)
        correct = torch.zeros((), device=training.images.device)
        order = torch.randperm(len(training), generator=generator)
        for batch in order[: steps * recipe.batch_size].split(recipe.batch_size):
            batch = batch.to(training.images.device)
            images = augment(training.images[batch], recipe.augmentation, generator)
            labels = training.labels[batch]
            with _autocast(images.device, recipe.precision):
                logits = network(images)
            loss = cross_entropy(logits.float(), labels, label_smoothing=recipe.label_smoothing)
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
            schedule.step()
            # Sums stay on the device: reading them here would make every step wait.
            loss_sum += loss.detach()
            correct += (logits.detach().argmax(1) == labels).sum()
        rate = schedule.get_last_lr()[0]
        row = {
            "epoch": epoch,
            "lr": rate,
            "train_loss": loss_sum.item() / steps,
            "train_accuracy": correct.item() / (steps * recipe.batch_size),
            **_validate(network, validation, recipe),
        }
        for kind in ("train_loss", "validation_loss"):
            if not math.isfinite(row[kind]):
                raise TrainingError(
                    f"epoch {epoch}, learning rate {rate:.2e}: the {kind.replace('_', ' ')} is "
                    f"{row[kind]}. Lower train.learning_rate (now {recipe.learning_rate:g})."
                )
        if row["validation_loss"] < progress.best_loss:
            progress.best_epoch, progress.best_loss = epoch, row["validation_loss"]
            progress.best_state = {k: v.clone() for k, v in learned_state(network).items()}
        row["seconds"] = time.perf_counter() - started
        progress.seconds += row["seconds"]
        progress.history.append(row)
        report(row)
        if resume:
            state = {
                "progress": vars(progress),
                "network": learned_state(network),
                "optimiser": optimiser.state_dict(),
                "schedule": schedule.state_dict(),
                "generator": generator.get_state(),
            }
            save_state(*resume, state)
    return progress


def predict_logits(network: nn.Module, images: torch.Tensor, batch_size: int = 128) -> torch.Tensor:
    """Return the (N, classes) float32 logits of (N, 3, S, S) images, in evaluation mode.

    The images may be elsewhere than the network; the logits are where the network is.
    """
    network.eval()
    device = next(network.parameters()).device
    with torch.inference_mode():
        batches = images.split(batch_size)
        return torch.cat([network(batch.to(device)) for batch in batches]).float()


def _validate(network: nn.Module, validation: Labelled, recipe: Recipe) -> dict[str, float]:
    with _autocast(validation.images.device, recipe.precision):
        logits = predict_logits(network, validation.images)
    labels, predicted = validation.labels.cpu(), logits.argmax(1).cpu()
    return {
        "validation_loss": cross_entropy(logits, validation.labels).item(),
        "validation_accuracy": (predicted == labels).double().mean().item(),
        "validation_macro_f1": float(f1_score(labels, predicted, average="macro", zero_division=0)),
    }


def _autocast(device: torch.device, precision: str) -> Any:
    return torch.autocast(device.type, torch.bfloat16, enabled=precision == "bfloat16")
