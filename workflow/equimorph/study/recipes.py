"""The keys of a config's `train` that the result of a training depends on; needs no torch."""

from collections.abc import Mapping
from typing import Any

# Keys of `train` that say which trainings there are and where they run.
NOT_OF_RECIPE = ("models", "seeds", "threads", "world_size", "device", "overrides")
# Keys of `train` that say which weights and how many images a training begins with.
OF_ITS_BEGINNING = ("start_from", "labels")
PRETRAINED = "pretrained"
# Keys of `train.loss` that each loss, a module of training/losses, uses.
LOSS_KEYS = {"focal": ("gamma", "class_weights", "beta", "normalise")}
# These are left out of a recipe where they have these values, so that a training that needs none of
# them is the same one, and its record the same, as before they existed.
UNSAID = {"keep": "loss", "drop_last": True}
UNSAID_OF_AUGMENTATION = {"fill": "mirror", "interpolation": "bilinear"}
# Keys of `train.schedule` that each kind uses; an overlay may leave others behind.
SCHEDULE_KEYS = {
    "one_cycle": (),
    "multi_step": ("milestones", "gamma"),
    "plateau": ("monitor", "factor", "patience", "min_lr"),
    "cosine": ("T_0", "T_mult", "eta_min"),
    "constant": (),
}


def recipe_settings(train: Mapping[str, Any], model: str) -> dict[str, Any]:
    """Return the training parameters of a model: those that all share, and what differs for it.

    A merged config may hold keys of other losses and schedules. They are left out, since the result
    does not depend on them.

    Args:
        train: the study's `train`.
        model: the model's name in `train.models`.
    """
    shared = {key: value for key, value in train.items() if key not in NOT_OF_RECIPE}
    settings = {**shared, **train["overrides"].get(model, {})}
    for part, keys in (("loss", LOSS_KEYS), ("schedule", SCHEDULE_KEYS)):
        own = ("kind", *keys[settings[part]["kind"]])
        settings[part] = {key: value for key, value in settings[part].items() if key in own}
    settings["augmentation"] = _said(settings["augmentation"], UNSAID_OF_AUGMENTATION)
    return _said(settings, UNSAID)


def has_all_labels(train: Mapping[str, Any], model: str) -> bool:
    """Tell whether a model's training sees as many labels as the study's `train.labels` says."""
    return recipe_settings(train, model)["labels"] == train["labels"]


def start_of(train: Mapping[str, Any], model: str) -> str | None:
    """Return what a model's training starts from: `pretrained`, with its network, or a file."""
    return recipe_settings(train, model)["start_from"]


def pretrained_model(start: str | None, model: str) -> str | None:
    """Return the model whose pretraining a start names; None where it names a file, or nothing.

    Args:
        start: `train.start_from`: `pretrained`, `pretrained/NAME` for the pretraining of another
            entry with the same network, or a checkpoint's path.
        model: the model that starts from it.
    """
    head, _, name = (start or "").partition("/")
    return (name or model) if head == PRETRAINED else None


def pretraining_settings(config: Mapping[str, Any], model: str) -> dict[str, Any]:
    """Return the training parameters of a model's pretraining."""
    return of_the_loop(recipe_settings(config["train"], model)) | config["pretrain"]["recipe"]


def of_the_loop(settings: Mapping[str, Any]) -> dict[str, Any]:
    """Return the parameters of the training loop, whatever it begins with."""
    return {key: value for key, value in settings.items() if key not in OF_ITS_BEGINNING}


def _said(settings: Mapping[str, Any], unsaid: Mapping[str, Any]) -> dict[str, Any]:
    return {key: v for key, v in settings.items() if key not in unsaid or v != unsaid[key]}
