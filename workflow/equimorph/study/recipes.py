"""What of a config's `train` a training's result depends on; without torch, for the workflow."""

from collections.abc import Mapping
from typing import Any

# Keys of `train` that say which trainings there are and where they run.
NOT_OF_RECIPE = ("models", "seeds", "threads", "world_size", "device", "overrides")
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

    Args:
        train: of a study's config.
        model: its name.
    """
    shared = {key: value for key, value in train.items() if key not in NOT_OF_RECIPE}
    return {**shared, **train["overrides"].get(model, {})}
