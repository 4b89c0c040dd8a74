"""A recipe, read from plain values."""

from dataclasses import replace

import pytest

from equimorph.errors import InputError
from equimorph.training.loop import train
from equimorph.training.losses.focal import Loss
from equimorph.training.optimisers import Schedule
from equimorph.training.recipe import read_recipe
from tests.jobs import blobs
from tests.unit.training.trainings import ANY, network, recipe


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
        ({"keep": "best"}, "train.keep 'best': allowed are loss, accuracy, last"),
        ({"augmentation": replace(ANY, fill="white")}, "augmentation.fill 'white': allowed are mi"),
        (
            {"augmentation": replace(ANY, interpolation="cubic")},
            "train.augmentation.interpolation 'cubic': allowed are bilinear, nearest",
        ),
        ({"augmentation": replace(ANY, crop_area=(1.0, 0.8))}, "crop_area 1.0, 0.8: allowed are"),
    ],
)
def test_what_a_recipe_cannot_be(changes, message):
    with pytest.raises(InputError, match=message):
        train(network("CNN"), blobs(32, 0), blobs(20, 1), recipe(**changes), 0)
