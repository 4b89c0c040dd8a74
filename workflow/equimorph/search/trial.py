"""One trial: the model trained with the trial's values, judged on the validation set alone."""

import math
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import nn

from equimorph.data.image_file import open_images
from equimorph.data.split_file import read_split
from equimorph.data.tensors import network_input
from equimorph.device import open_device, within_memory
from equimorph.errors import TrainingError
from equimorph.models.initialisation import initialise
from equimorph.models.inputs import measured
from equimorph.models.registry import build
from equimorph.seeds import WEIGHTS, stream
from equimorph.study.search_space import resolve_trial
from equimorph.training.loop import Labelled, Progress, train
from equimorph.training.recipe import Recipe, read_recipe


class Pruned(Exception):
    """Raised to stop a trial that is not worth going on with."""


@dataclass
class TrialResult:
    """How a trial ended.

    Attributes:
        state: `completed`, `pruned`, or `untrainable` where no loss can be had.
        losses: lowest validation loss of each seed that was trained to its end.
        best_epochs: the epoch of each of these losses.
        epochs: number of epochs that the first seed was trained for.
        reason: the message that says why a trial is untrainable.
        seconds: time that the trial took.
    """

    state: str = "completed"
    losses: list[float] = field(default_factory=list)
    best_epochs: list[int] = field(default_factory=list)
    epochs: int = 0
    reason: str = ""
    seconds: float = 0.0

    @property
    def described(self) -> str:
        """The result as a text."""
        losses = ", ".join(f"{loss:.4f}" for loss in self.losses)
        reached = f"validation loss {losses}" if self.state == "completed" else self.reason
        return f"{self.state} after epoch {self.epochs}{reached and ', '}{reached}"


class Trainer:
    """Trains trials on one set of images; subsets that were read are kept."""

    def __init__(
        self,
        images: str | Path,
        split: str | Path,
        part: Mapping[str, Any],
        seeds: Sequence[int],
        classes: int,
        device: str = "cpu",
    ):
        """Store what all trials share.

        Args:
            images: memory-mapped images (.npy).
            split: subset, index, label of each galaxy (.csv); the test set is not touched.
            part: all that trainings depend on, from `search_space.training_part`.
            seeds: one training each; their losses are averaged.
            classes: number of classes.
            device: name of the device.
        """
        self.images, self.split, self.part = images, split, part
        self.seeds, self.classes, self.device = seeds, classes, open_device(device)
        self.subsets: dict[tuple, Labelled] = {}

    def run(self, values: Mapping[str, Any], go_on: Callable[[int, float], bool]) -> TrialResult:
        """Train once per seed.

        Args:
            values: value of each searched key.
            go_on: called after each epoch of the first seed with the epoch and the lowest
                validation loss so far; False stops the trial.

        Raises:
            InputError: memory is not enough.
        """
        started, result, lowest = time.perf_counter(), TrialResult(), math.inf
        specification, settings = resolve_trial(self.part, values)
        recipe = read_recipe(settings)

        def watched(row: dict[str, float]) -> None:
            nonlocal lowest
            result.epochs, lowest = int(row["epoch"]), min(lowest, row["validation_loss"])
            if not go_on(result.epochs, lowest):
                raise Pruned

        with within_memory("Narrow search.space, or lower search.workers."):
            try:
                for seed in self.seeds:
                    first = seed == self.seeds[0]
                    report = watched if first else lambda row: None
                    progress = self._train(specification, recipe, seed, report)
                    result.losses.append(progress.best_loss)
                    result.best_epochs.append(progress.best_epoch)
                    # A training that ended early keeps its loss while others train on.
                    for epoch in range(result.epochs + 1, recipe.epochs + 1) if first else ():
                        go_on(epoch, lowest)
            except Pruned:
                result.state = "pruned"
            except TrainingError as error:
                result.state, result.reason = "untrainable", str(error)
        result.seconds = time.perf_counter() - started
        return result

    def _train(
        self,
        specification: Mapping[str, Any],
        recipe: Recipe,
        seed: int,
        report: Callable[[dict[str, float]], None],
    ) -> Progress:
        network = build(specification, self.classes)
        initialise(network, stream(seed, WEIGHTS))
        network.to(self.device)
        crop = specification["crop"]
        training = self._subset("train", network, specification, recipe.crop or crop)
        validation = self._subset("validation", network, specification, crop)
        return train(network, training, validation, recipe, seed, report=report)

    def _subset(
        self, name: str, network: nn.Module, specification: Mapping[str, Any], crop: float
    ) -> Labelled:
        form = (specification["input_size"], crop, specification.get("antialias", True))
        key = (name, getattr(network, "measure", None), *form)
        if key not in self.subsets:
            rows = read_split(self.split)[name]
            labels = torch.tensor(read_split(self.split, column="label")[name], dtype=torch.int64)
            images = open_images(self.images)[rows]
            self.subsets[key] = Labelled(
                network_input(images, *form).to(self.device),
                labels.to(self.device),
                tuple(each.to(self.device) for each in measured(network, images)),
            )
        return self.subsets[key]
