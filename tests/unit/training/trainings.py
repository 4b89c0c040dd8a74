"""Recipes, networks and unequal classes for short trainings."""

from dataclasses import replace

import torch

from equimorph.models.initialisation import initialise
from equimorph.models.registry import build
from equimorph.study.models import resolve
from equimorph.training.augment import Augmentation
from equimorph.training.loop import Labelled, Recipe
from equimorph.training.losses.focal import Loss
from equimorph.training.optimisers import Schedule
from tests.jobs import RECIPE, TRUNK, blobs

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
    "constant, last epoch, whole epochs, black and nearest": {
        "schedule": Schedule("constant"),
        "keep": "last",
        "drop_last": False,
        "augmentation": replace(ANY, fill="black", interpolation="nearest"),
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


def unequal(count=72):
    """Training images of which one in three is of the second class."""
    both = blobs(2 * count, 0)
    kept = torch.cat([torch.arange(0, count * 4 // 3, 2), torch.arange(1, count * 2 // 3, 2)])
    return Labelled(both.images[kept], both.labels[kept])


def equal(one, other):
    return one.keys() == other.keys() and all(torch.equal(one[name], other[name]) for name in one)


def interrupt(row):
    if row["epoch"] == 3:
        raise KeyboardInterrupt
