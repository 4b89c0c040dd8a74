"""Names in the config: the schema, the code and the comments of config.yaml have the same ones."""

import pkgutil
import re

import pytest

from equimorph.choices import choose
from equimorph.data.split import PROTOCOLS
from equimorph.data.star_filters import FILTERS
from equimorph.device import DEVICES
from equimorph.errors import InputError
from equimorph.models import architectures
from equimorph.models.architectures import backbone
from equimorph.models.head import MASKS, NORMALISATIONS
from equimorph.report.render import _MATCHES, _SOURCES
from equimorph.robustness import degradations
from equimorph.robustness.degradations.noise import FORMULAS
from equimorph.search.study import PRUNERS, SAMPLERS
from equimorph.sky.service import LAYERS
from equimorph.study.models import ARCHITECTURES
from equimorph.study.recipes import LOSS_KEYS, SCHEDULE_KEYS
from equimorph.training import losses
from equimorph.training.augment import FILLS, INTERPOLATIONS
from equimorph.training.class_weights import CLASS_WEIGHTS
from equimorph.training.loop import KEPT, PRECISIONS
from equimorph.training.optimisers import MONITORED, OPTIMISERS, SCHEDULES
from equimorph.training.sampler import SAMPLERS as TRAINING_SAMPLERS


def modules(room):
    return [module.name for module in pkgutil.iter_modules(room.__path__)]


# By the dotted key, what the code allows; a loss's and a degradation's keys are those of all kinds.
CODE = {
    "data.source": _SOURCES,
    "data.stars.kind": FILTERS,
    "data.split.protocol": PROTOCOLS,
    "conditions.*.kind": modules(degradations),
    "conditions.*.formula": FORMULAS,
    "network.mask": MASKS,
    "network.normalise": NORMALISATIONS,
    "network.match": _MATCHES,
    "models.*.architecture": ARCHITECTURES,
    "models.*.backbone": backbone.LAST_LAYER,
    "models.*.weights": backbone.WEIGHTS,
    "models.*.trainable": backbone.TRAINABLE,
    "train.optimiser": OPTIMISERS,
    "train.schedule.kind": SCHEDULES,
    "train.schedule.monitor": MONITORED,
    "train.loss.kind": modules(losses),
    "train.loss.class_weights": CLASS_WEIGHTS,
    "train.sampler": TRAINING_SAMPLERS,
    "train.keep": KEPT,
    "train.augmentation.fill": FILLS,
    "train.augmentation.interpolation": INTERPOLATIONS,
    "train.precision": PRECISIONS,
    "train.device": DEVICES,
    "search.sampler.kind": SAMPLERS,
    "search.pruner.kind": PRUNERS,
    "sky.layer": LAYERS,
}
# The only loss (a second one makes a list in config.yaml), and a key that no default schedule uses.
UNLISTED = {"train.loss.kind", "train.schedule.monitor"}


def rule(schema, key):
    """What the schema says of a dotted key; `*` stands for any name."""
    found = schema
    for part in key.split("."):
        found = found["additionalProperties"] if part == "*" else found["properties"][part]
        found = resolved(schema, found)
    return found


def resolved(schema, found):
    """What stands behind a reference, or for a single one where a list is allowed, too."""
    found = found.get("else", found)
    return schema["$defs"][found["$ref"].rsplit("/", 1)[1]] if "$ref" in found else found


def names(schema, key):
    found = rule(schema, key)
    return found["enum"] if "enum" in found else found["oneOf"][0]["enum"]


@pytest.mark.parametrize("key", CODE)
def test_the_schema_and_the_code_have_the_same_names(schema, key):
    assert sorted(names(schema, key), key=str) == sorted(CODE[key], key=str)


def test_every_list_of_names_in_the_schema_is_compared(schema):
    def lists(node, path):
        if isinstance(node.get("enum", [1])[0], str | None) or "oneOf" in node:
            yield path
        for key, child in node.get("properties", {}).items():
            yield from lists(resolved(schema, child), f"{path}.{key}" if path else key)
        if isinstance(node.get("additionalProperties"), dict):
            yield from lists(resolved(schema, node["additionalProperties"]), f"{path}.*")

    # The head is a yes or no; a model's own keys repeat those of `network`.
    shared = {f"models.*.{key}" for key in ("head", "mask", "match", "normalise")}
    apart = {"network.head", *shared}
    assert set(lists(schema, "")) - apart == set(CODE)


def test_architectures_losses_and_schedules_are_the_same_everywhere():
    assert sorted(ARCHITECTURES) == modules(architectures)
    assert sorted(LOSS_KEYS) == modules(losses)
    assert list(SCHEDULE_KEYS) == list(SCHEDULES)


def test_the_keys_of_each_kind_are_in_the_schema(schema):
    conditions = {key for kind in modules(degradations) for key in degradations.find(kind).SETTINGS}
    for place, keys in {
        "train.loss": {key for own in LOSS_KEYS.values() for key in own},
        "train.schedule": {key for own in SCHEDULE_KEYS.values() for key in own},
        "conditions.*": conditions,
    }.items():
        assert set(rule(schema, place)["properties"]) - {"kind"} == keys


def test_the_comments_of_config_yaml_list_the_names(root, schema):
    """`key: value # one | two | three` names all of them, in the schema's order."""
    compared, parents = set(), []
    for line in (root / "config.yaml").read_text().splitlines():
        key = re.match(r"( *)(\w+):", line)
        if key:
            parents[len(key[1]) // 2 :] = [key[2]]
        listed = re.search(r"# ([\w-]+(?: \| [\w-]+)+)", line)
        if listed:
            path = ".".join(parents)
            if "properties" in rule(schema, path):
                path += ".kind"
            assert listed[1].split(" | ") == names(schema, path), line
            compared.add(path)
    # A condition's names stand in the entries themselves.
    assert compared == {key for key in CODE if "*" not in key} - UNLISTED | {"network.head"}


def test_a_name_that_is_none():
    assert choose({"a": 1, "b": 2}, "key", "b") == 2
    with pytest.raises(InputError, match="train.optimiser 'lion': allowed are adamw, adam, radam"):
        choose(OPTIMISERS, "train.optimiser", "lion")
