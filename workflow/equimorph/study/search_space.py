"""What a search varies: ranges of the config's keys, and the study with values put in.

Nothing here needs torch or Optuna, so that a config is checked without loading them.
"""

import copy
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from equimorph.errors import InputError
from equimorph.sources import ARCHITECTURES, LOSSES
from equimorph.study.models import entry_of, resolve
from equimorph.study.recipes import NOT_OF_RECIPE, OF_ITS_BEGINNING, of_the_loop, recipe_settings
from equimorph.study.scale import scaled

# The search itself decides the last two.
DECIDED = (*NOT_OF_RECIPE, *OF_ITS_BEGINNING, "epochs", "patience")
# `scaled` shrinks these, too, although no training depends on them.
_UNUSED = {
    "data": {"classes": [], "simulated": {"per_class": 0, "size": 0}},
    "pretrain": {"per_class": 0, "size": 0, "recipe": {}},
    "evaluate": {"angle_images": 0, "bootstrap": 0},
    "analyses": {"attack": {"victims": 0, "population": 0, "generations": 0}},
}


@dataclass(frozen=True)
class Range:
    """The numbers that one key may take.

    Attributes:
        low: least number; a range between two whole numbers holds whole numbers alone.
        high: largest number.
        log: whether values are drawn on a logarithmic scale.
    """

    low: float
    high: float
    log: bool = False

    @property
    def whole(self) -> bool:
        """Whether the range holds whole numbers alone."""
        return isinstance(self.low, int) and isinstance(self.high, int)

    def probes(self) -> list[Any]:
        """Return values that stand for all: both ends and one between them."""
        inside = self.low + (self.high - self.low) * 0.37  # no whole number of most ranges
        return [self.low, self.high, int(inside) if self.whole else inside]


@dataclass(frozen=True)
class Choices:
    """The values that one key may take, one by one."""

    values: tuple[Any, ...]

    def probes(self) -> list[Any]:
        """Return all of them."""
        return list(self.values)


def read_space(space: Mapping[str, Mapping[str, Any] | None]) -> dict[str, Range | Choices]:
    """Read the ranges of a search, by key; an entry that is null is left out.

    Raises:
        InputError: a range that holds nothing to choose from, by key, with what is allowed.
    """
    ranges = {key: _read_range(key, entry) for key, entry in space.items() if entry is not None}
    if not ranges:
        raise InputError(
            "config: search.space: holds no range; it must name at least one key, such as "
            "learning_rate: {low: 0.001, high: 0.03, log: true}."
        )
    return ranges


def _read_range(key: str, entry: Mapping[str, Any]) -> Range | Choices:
    where = f"config: search.space.{key}"
    if key in DECIDED:
        raise InputError(
            f"{where}: this key is not searched; allowed are the other keys of train, such as "
            "learning_rate or augmentation.scale, and network.KEY."
        )
    given = {name: value for name, value in entry.items() if value is not None}
    if given.keys() not in ({"choices"}, {"low", "high"}, {"low", "high", "log"}):
        raise InputError(
            f"{where}: has {', '.join(sorted(given)) or 'nothing'}; it must have choices alone, or "
            "low, high and perhaps log. An overlay is merged with the entry of config.yaml: set to "
            "null what it must not keep."
        )
    if "choices" in given:
        return Choices(tuple(given["choices"]))
    span = Range(given["low"], given["high"], given.get("log", False))
    if not span.low < span.high:
        raise InputError(f"{where}: low {span.low} is not allowed; it must be below {span.high}.")
    if span.log and span.low <= 0:
        raise InputError(
            f"{where}: low {span.low} is not allowed; it must be above 0 where log is true."
        )
    return span


def tried(key: str, value: Any, space: Mapping[str, Range | Choices]) -> list[Any]:
    """Return the values that a key takes in a search: those that it tries, else the study's own.

    Args:
        key: a key that holds a name, such as `loss.kind`.
        value: the study's own value of it.
        space: what `read_space` returns.
    """
    return space[key].probes() if key in space else [value]


def searched_model(config: Mapping[str, Any]) -> str:
    """Return the name of the model that trials train: the search's, or the study's first."""
    return config["search"]["model"] or config["train"]["models"][0]


def single_study(config: Mapping[str, Any]) -> dict[str, Any]:
    """Return the study that trains the search's model alone, for as long as a trial does.

    What `train.overrides` says of that model becomes part of `train`, where values are put in.

    Args:
        config: a study's config as written, before it is scaled.
    """
    search, train = config["search"], config["train"]
    name = searched_model(config)
    recipe = {**train, **train["overrides"].get(name, {})}
    recipe["epochs"] = search["epochs"] or recipe["epochs"]
    recipe["patience"] = min(recipe["patience"], recipe["epochs"])
    single = {
        **config,
        "models": {name: config["models"][name]} if name in config["models"] else {},
        "train": {**recipe, "models": [name], "overrides": {}},
        "evaluate": {**config["evaluate"], "reference": name},
        "analyses": {**config["analyses"], "models": None},
    }
    return copy.deepcopy(single)


def with_value(config: Mapping[str, Any], key: str, value: Any) -> dict[str, Any]:
    """Return a config with one key of the search set.

    Args:
        config: config of a study.
        key: `network.KEY`, or a key of `train`, dotted where it lies deeper.
        value: the value that the key gets.
    """
    result = copy.deepcopy(dict(config))
    *parents, last = key.split(".") if key.startswith("network.") else ["train", *key.split(".")]
    place = result
    for parent in parents:
        if not isinstance(place.get(parent), dict):
            place[parent] = {}  # the schema check names the error
        place = place[parent]
    place[last] = value
    return result


def with_values(config: Mapping[str, Any], values: Mapping[str, Any]) -> dict[str, Any]:
    """Return a config with several keys of the search set, see `with_value`."""
    for key, value in values.items():
        config = with_value(config, key, value)
    return dict(config)


def training_part(single: Mapping[str, Any]) -> dict[str, Any]:
    """Return the part of the single study that trials depend on; edits elsewhere do not count.

    Args:
        single: what `single_study` returns.
    """
    apart = {*NOT_OF_RECIPE} - {"models", "overrides"}
    train = {key: value for key, value in single["train"].items() if key not in apart}
    return {
        "scale": single["scale"],
        "stars": single["data"]["stars"],
        "network": single["network"],
        "models": single["models"],
        "train": train,
    }


def named_modules(part: Mapping[str, Any], space: Mapping[str, Range | Choices]) -> list[str]:
    """Return the modules that trials find by name, with dots: an architecture, and losses.

    Args:
        part: what `training_part` returns.
        space: what `read_space` returns.
    """
    (name,) = part["train"]["models"]
    architecture = entry_of(name, part["models"])["architecture"]
    losses = tried("loss.kind", part["train"]["loss"]["kind"], space)
    return [f"{ARCHITECTURES}.{architecture}", *(f"{LOSSES}.{loss}" for loss in losses)]


def resolve_trial(
    part: Mapping[str, Any], values: Mapping[str, Any]
) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return a trial's specification of the model, and its training parameters.

    Args:
        part: what `training_part` returns.
        values: value of each searched key.
    """
    shrunk = scaled({**_UNUSED, **with_values(part, values)})
    (name,) = shrunk["train"]["models"]
    specification = resolve(name, shrunk["models"], shrunk["network"])
    return specification, of_the_loop(recipe_settings(shrunk["train"], name))
