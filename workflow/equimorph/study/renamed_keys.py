"""Old names of config keys, and the message that gives their new names."""

from collections.abc import Iterator, Mapping
from typing import Any

from equimorph.errors import InputError

# Keys of `train`, dotted where they lie deeper.
OF_TRAIN = {
    "balancing": "sampler",
    "clip": "grad_clip",
    "least_improvement": "min_delta",
    "processes": "world_size",
    "schedule.lowest_rate": "schedule.min_lr (plateau) or schedule.eta_min (cosine)",
    "schedule.period": "schedule.T_0",
    "schedule.stretch": "schedule.T_mult",
    "schedule.watch": "schedule.monitor",
}
# Keys of an entry of `conditions`.
OF_A_CONDITION = {"electrons_per_level": "gain"}


def check_renamed_keys(config: Mapping[str, Any]) -> None:
    """Check that a config has no old names of keys; otherwise it may have any form.

    Raises:
        InputError: each such key by its full path, with its new name.
    """
    found = list(_renamed_keys(config))
    if found:
        raise InputError(
            f"config: {'; '.join(f'{old} is now called {new}' for old, new in found)}."
        )


def _renamed_keys(config: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    train, search = _mapping(config.get("train")), _mapping(config.get("search"))
    yield from _of_train("train", train)
    for model, changes in _mapping(train.get("overrides")).items():
        yield from _of_train(f"train.overrides.{model}", _mapping(changes))
    for key in _mapping(search.get("space")):
        if key in OF_TRAIN:
            yield f"search.space.{key}", OF_TRAIN[key]
    pretraining = _mapping(config.get("pretrain"))
    yield from _of_train("pretrain.recipe", _mapping(pretraining.get("recipe")))
    sweeps = _mapping(config.get("analyses")).get("sweeps")
    yield from _of_degradations("conditions", _mapping(config.get("conditions")))
    yield from _of_degradations("analyses.sweeps", _mapping(sweeps))


def _of_degradations(path: str, entries: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    for name, entry in entries.items():
        for step in map(_mapping, entry if isinstance(entry, list) else [entry]):
            yield from (
                (f"{path}.{name}.{old}", new) for old, new in OF_A_CONDITION.items() if old in step
            )


def _of_train(path: str, train: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    schedule = _mapping(train.get("schedule"))
    given = {*train, *(f"schedule.{key}" for key in schedule)}
    for old, new in OF_TRAIN.items():
        if old in given:
            yield f"{path}.{old}", new
    # A `factor` beside `gamma` may come from another preset's plateau.
    if schedule.get("kind") == "multi_step" and "factor" in schedule and "gamma" not in schedule:
        yield f"{path}.schedule.factor", "schedule.gamma where the kind is multi_step"


def _mapping(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}
