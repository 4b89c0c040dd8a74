"""The training loop."""

import math
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import nn
from torch.nn.functional import cross_entropy, one_hot

from equimorph.choices import choose
from equimorph.errors import TrainingError
from equimorph.models.checkpoint import learned_state, load_learned_state
from equimorph.models.prediction import predict_logits
from equimorph.seeds import BATCHES, LAYERS, stream
from equimorph.training.augment import augment, mixup
from equimorph.training.averaging import Average
from equimorph.training.optimisers import Scheduler, make_optimiser
from equimorph.training.parallel import ALONE, Processes
from equimorph.training.recipe import Recipe
from equimorph.training.resume import load_state, save_state
from equimorph.training.sampler import epoch_length, epoch_order

# Type in which the forward pass computes under autocast; None for no autocast.
PRECISIONS = {"float32": None, "bfloat16": torch.bfloat16}
# What the epoch that is kept has most of, by the name of the recipe's `keep`; of equals the first.
KEPT: dict[str, Callable[[dict[str, float]], float]] = {
    "loss": lambda row: -row["validation_loss"],
    "accuracy": lambda row: row["validation_accuracy"],
    "last": lambda row: row["epoch"],
}


# What validation measures.
VALIDATED = ("validation_loss", "validation_accuracy", "validation_macro_f1")


@dataclass(frozen=True)
class Labelled:
    """Images on the training device.

    Attributes:
        images: (N, 3, S, S) uint8 pixel values.
        labels: (N,) int64.
        measured: the network's inputs beside the images, see `inputs.measured`.
    """

    images: torch.Tensor
    labels: torch.Tensor
    measured: tuple[torch.Tensor, ...] = ()

    def __len__(self) -> int:
        return len(self.labels)

    @property
    def inputs(self) -> tuple[torch.Tensor, ...]:
        """The arguments of the network."""
        return (self.images, *self.measured)


@dataclass
class Progress:
    """The progress of a training.

    Attributes:
        history: one row per epoch; what validation measures is nan where there was none.
        best_epoch: the epoch that is kept, by default that with the lowest validation loss; 0
            before the first.
        best_value: what it has most of, see `KEPT`.
        best_loss: its validation loss.
        best_state: learned state of the network, or of its average, after the best epoch.
        counted_epoch: the last epoch that patience counts as an improvement: its validation loss is
            lower than the `counted_loss` before it by more than the recipe's `min_delta`.
        counted_loss: validation loss of that epoch.
        seconds: time spent on training and validation.
        images: number of images trained on, each counted as often as it was shown.
    """

    history: list[dict[str, float]] = field(default_factory=list)
    best_epoch: int = 0
    best_value: float = -math.inf
    best_loss: float = math.inf
    best_state: dict[str, torch.Tensor] = field(default_factory=dict)
    counted_epoch: int = 0
    counted_loss: float = math.inf
    seconds: float = 0.0
    images: int = 0


def train(
    network: nn.Module,
    training: Labelled,
    validation: Labelled,
    recipe: Recipe,
    seed: int,
    resume: tuple[Path, str] | None = None,
    report: Callable[[dict[str, float]], None] = lambda row: None,
    processes: Processes = ALONE,
) -> Progress:
    """Train `network` in place and return the state of the epoch that is kept.

    The test set is not an argument: epochs are chosen on the validation set alone.

    Args:
        network: the network with its initial weights, on the device of the images.
        training: images that the weights are fitted to.
        validation: images on which the epoch is chosen, by default that with the lowest
            cross-entropy.
        recipe: optimiser, schedule, loss, augmentation and so on.
        seed: seed of shuffling, augmentation and dropout.
        resume: file for the state of an unfinished run, and the digest that it must carry.
        report: called with each epoch's row of the history.
        processes: the processes that share each batch; all call this function with the same
            arguments, and the first reads and writes the file.

    Raises:
        InputError: a name in the recipe is not allowed, the processes cannot share the batch
            equally, or the disk is full.
        TrainingError: the loss is not finite; the message names epoch and learning rate.
    """
    generator = stream(seed, BATCHES)
    device = training.images.device
    training_labels = training.labels.cpu()
    length = epoch_length(recipe.sampler, training_labels)
    shown = images_shown(length, recipe.batch_size, recipe.drop_last)
    steps = math.ceil(shown / recipe.batch_size)
    if steps == 0:
        raise TrainingError(
            f"batch_size {recipe.batch_size}: larger than the training set ({length})."
        )
    classes = predict_logits(network, *(each[:1] for each in training.inputs)).shape[1]
    criterion = recipe.loss.criterion(recipe.label_smoothing, training.labels, classes)
    optimiser = make_optimiser(
        recipe.optimiser,
        network.parameters(),
        recipe.learning_rate,
        recipe.weight_decay,
        recipe.momentum,
    )
    schedule = Scheduler(optimiser, recipe.schedule, steps, recipe.epochs)
    average = Average(network, recipe.ema)
    processes.synchronise(network)
    progress = Progress()
    saved = processes.from_first(lambda: load_state(*resume)) if resume else None
    if saved:
        progress = Progress(**saved["progress"])
        load_learned_state(network, saved["network"])
        optimiser.load_state_dict(saved["optimiser"])
        schedule.load_state_dict(saved["schedule"])
        average.load_state_dict(saved["average"])
        generator.set_state(saved["generator"])

    for epoch in range(len(progress.history) + 1, recipe.epochs + 1):
        if epoch - progress.counted_epoch > recipe.patience:
            break
        started = time.perf_counter()
        network.train()
        # Dropout draws from torch's global generator. It is seeded by the epoch, so that resuming
        # needs no state of it.
        torch.manual_seed((stream(seed, LAYERS).initial_seed() + epoch) % 2**63)
        loss_sum = torch.zeros((), device=device)
        correct = torch.zeros((), device=device)
        order = epoch_order(recipe.sampler, training_labels, generator).to(device)
        for batch in order[:shown].split(recipe.batch_size):
            mine = processes.share(len(batch))
            # Every process augments the whole batch: all draw the same numbers, and mixup needs all
            # images.
            images = augment(training.images[batch], recipe.augmentation, generator)
            inputs = [images, *(each[batch] for each in training.measured)]
            labels = targets = training.labels[batch]
            if recipe.mixup:
                probabilities = one_hot(labels, classes).float()
                *inputs, targets = mixup([*inputs, probabilities], recipe.mixup, generator)
            with _autocast(device, recipe.precision):
                logits = network(*(each[mine] for each in inputs))
            loss = criterion(logits.float(), targets[mine])
            optimiser.zero_grad()
            loss.backward()
            processes.average_gradients(network)
            if recipe.grad_clip:
                nn.utils.clip_grad_norm_(network.parameters(), recipe.grad_clip)
            optimiser.step()
            schedule.after_step()
            average.update()
            # Sums stay on the device: reading them here would make every step wait.
            loss_sum += loss.detach() * (len(batch) / recipe.batch_size)
            correct += (logits.detach().argmax(1) == labels[mine]).sum()
        rate = schedule.rate
        validated = dict.fromkeys(VALIDATED, math.nan)
        is_validated = epoch % recipe.validate_every == 0 or epoch == recipe.epochs
        if is_validated:
            with average.in_place():
                validated = _validate(network, validation, recipe, processes)
                _judge(progress, network, recipe, epoch, validated)
        row = {
            "epoch": epoch,
            "lr": rate,
            "train_loss": processes.total(loss_sum).item()
            / (processes.world_size * shown / recipe.batch_size),
            "train_accuracy": processes.total(correct).item() / shown,
            **validated,
        }
        for kind in ("train_loss", "validation_loss")[: 1 + is_validated]:
            if not math.isfinite(row[kind]):
                raise TrainingError(
                    f"epoch {epoch}, learning rate {rate:.2e}: the {kind.replace('_', ' ')} is "
                    f"{row[kind]}. Lower train.learning_rate (now {recipe.learning_rate:g})."
                )
        schedule.after_epoch(validated)
        progress.images += shown
        row["seconds"] = time.perf_counter() - started
        progress.seconds += row["seconds"]
        progress.history.append(row)
        report(row)
        if resume and processes.is_first:
            state = {
                "progress": vars(progress),
                "network": learned_state(network),
                "optimiser": optimiser.state_dict(),
                "schedule": schedule.state_dict(),
                "average": average.state_dict(),
                "generator": generator.get_state(),
            }
            save_state(*resume, state)
    return progress


def images_shown(length: int, batch_size: int, drop_last: bool) -> int:
    """Return how many of an epoch's images are shown.

    Without `drop_last` all of them, except where one alone is left, of which batch norm can take no
    statistics.
    """
    left = length % batch_size
    return length - left if drop_last or left == 1 else length


def _validate(
    network: nn.Module, validation: Labelled, recipe: Recipe, processes: Processes
) -> dict[str, float]:
    with _autocast(validation.images.device, recipe.precision):
        logits = processes.map_rows(partial(predict_logits, network), *validation.inputs)
    labels, predicted = validation.labels.cpu(), logits.argmax(1).cpu()
    measured = (
        cross_entropy(logits, validation.labels).item(),
        (predicted == labels).double().mean().item(),
        macro_f1(predicted, labels),
    )
    return dict(zip(VALIDATED, measured, strict=True))


def _judge(
    progress: Progress,
    network: nn.Module,
    recipe: Recipe,
    epoch: int,
    validated: dict[str, float],
) -> None:
    """Keep the epoch's weights, and count it as an improvement, if it is the best so far."""
    value = choose(KEPT, "train.keep", recipe.keep)({"epoch": epoch, **validated})
    if value > progress.best_value:
        progress.best_epoch, progress.best_value = epoch, value
        progress.best_loss = validated["validation_loss"]
        progress.best_state = {k: v.clone() for k, v in learned_state(network).items()}
    if validated["validation_loss"] < progress.counted_loss - recipe.min_delta:
        progress.counted_epoch, progress.counted_loss = epoch, validated["validation_loss"]


def macro_f1(predicted: torch.Tensor, labels: torch.Tensor) -> float:
    """Return the mean F1 over the classes that are predicted or true somewhere.

    scikit-learn's `f1_score` of the same predictions, whose import would take a fifth of a small
    training.

    Args:
        predicted: (N,) int64.
        labels: (N,) int64.
    """
    classes = int(max(predicted.max(), labels.max())) + 1
    hits = predicted[predicted == labels].bincount(minlength=classes)
    counted = predicted.bincount(minlength=classes) + labels.bincount(minlength=classes)
    occurs = counted > 0
    return (2 * hits[occurs].double() / counted[occurs]).mean().item()


def _autocast(device: torch.device, precision: str) -> Any:
    dtype = choose(PRECISIONS, "train.precision", precision)
    return torch.autocast(device.type, dtype or torch.bfloat16, enabled=dtype is not None)
