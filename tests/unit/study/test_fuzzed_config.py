"""Random wrong configs end in one sentence that names the key; what is accepted can be used."""

import copy
import datetime
import math
import random
import re

import pytest

from equimorph.errors import InputError
from equimorph.study.config import check_config
from equimorph.study.scale import scaled

WRONG = [
    *(None, True, False, "", " ", "3", "1e-3", "16.0", "yes", "null", "none", "-x", "{x}", "a\nb"),
    *(0, -1, 1, 2, 3, 64, 65, 10**6, 10**40, 10**400, 2**63),
    *(0.0, 0.5, 1.0, 16.0, -0.1, 1e-300, 1e300, math.nan, math.inf, -math.inf),
    *(
        [],
        [0],
        [1, 1],
        ["x"],
        [None],
        [math.nan],
        [[]],
        [10**9],
        5000 * [1],
        {},
        {"x": 1},
        {"": {}},
    ),
    *({3: 4}, {None: 1}, 200_000 * "n", ["\ud800"], "$(touch x)", "x; touch y #", "D3", "ViT"),
    *(["CNN", "D3"], ["CNN", "SO2"], datetime.date(2026, 1, 1), b"x", {"kind": "x"}, {"kind": 3}),
]
KEYS = ["lr", "", "-x", "{}", 3, None, 1.5, "\ud800", 300 * "k"]
ENTRIES = {
    "architecture": ["gcnn", "cnn", "harmonic", "e2resnet", "e2wrn", "vit", "cbfocal_ecnn", "mlp"],
    "group": ["D4", "SO2", "C3", 4],
    "groups": [["D8", "D4", "D1"], ["D1", "D4", "D8"], ["C4"], ["D8", "C5", "x"]],
    "depth": [16, 17, 10**9],
    "patch": [13, 64, 10**6],
    "heads": [8, 7, 0],
    "samples": [16, 6, 10],
    "fields": [[1], 10**5 * [1], [10**9, 1], ["2"]],
    "input_size": [65, 64, 33, 10**6],
    "orbit": [None, "D4", "SO2"],
}


@pytest.fixture
def small(config):
    """The default study with two models, so that a check is quick."""
    config["train"]["models"] = ["CNN", "D4"]
    config["train"]["overrides"] = {"D4": {"epochs": 30}}
    return config


def places(config, key=()):
    """Yield the path of each key."""
    for name, value in config.items():
        yield (*key, name)
        if isinstance(value, dict):
            yield from places(value, (*key, name))


def spoilt(draw, config):
    """Return a config that is wrong, or seems so, in one place or two."""
    result = copy.deepcopy(config)
    for _ in range(draw.choice([1, 1, 2])):
        *parents, last = draw.choice(list(places(result)))
        place = result
        for parent in parents:
            place = place[parent]
        kind = draw.random()
        if kind < 0.15:
            last = draw.choice(KEYS)
        elif kind < 0.3:
            place, last = result.setdefault("models", {}), "X"
            if not isinstance(place, dict):
                continue
            entry = {key: draw.choice(values) for key, values in ENTRIES.items()}
            kept = draw.sample(sorted(entry), draw.randrange(1, 4))
            place[last] = {key: entry[key] for key in {"architecture", *kept}}
            if isinstance(models := result.get("train", {}), dict):
                models["models"] = ["CNN", "D4", "X"]
            continue
        elif kind < 0.4:
            del place[last]
            continue
        place[last] = copy.deepcopy(draw.choice(WRONG))
    return result


@pytest.mark.parametrize("configs", [300, pytest.param(1000, marks=pytest.mark.slow)])
def test_random_wrong_configs(configs, small, schema):
    draw = random.Random(configs)
    accepted = refused = 0
    known = {str(part) for path in places(small) for part in path} | {"X", "the top level"}
    known |= {str(key) for key in KEYS}
    for _ in range(configs):
        study = spoilt(draw, small)
        try:
            check_config(study, schema)
        except InputError as error:
            refused += 1
            said = str(error)
            named = re.match(r"config: ([^\s:]+|the top level|scale [0-9.e-]+):? ", said)
            assert named and len(said) < 2000, said[:500]
            assert named[1].split(".")[0].split()[0] in {*known, "the"}, said
        else:
            accepted += 1
            scaled(study)
    assert refused > 2 / 3 * configs and accepted > configs / 60


WRONG_VALUES = [
    ("train.epochs", "3", r"train.epochs: '3' .* as a text: write 3 instead"),
    ("train.batch_size", 16.0, r"train.batch_size: 16.0 .* of type integer .* Write 16 instead"),
    ("train.threads", 1.0, r"train.threads: 1.0 is not allowed; .* Write 1 instead"),
    ("train.label_smoothing", math.nan, r"train.label_smoothing: nan is not allowed; .* number"),
    ("train.learning_rate", math.inf, r"train.learning_rate: inf is not allowed"),
    ("train.epochs", 10**9, r"train.epochs: 1000000000 is not allowed; .* maximum 100000"),
    ("train.batch_size", 10**9, r"train.batch_size: 1000000000 .* maximum 65536"),
    ("network.fields", 100 * [1], r"network.fields: .* is not allowed; .* maxItems 64"),
    ("network.fields", [10**6], r"network.fields.0: 1000000 .* maximum 4096"),
    ("network.width", 1e9, r"network.width: 1000000000.0 .* maximum 64"),
    ("notes", ["n" * 200_000], r"notes.0: 'n{199}… \(200002 characters\) .* maxLength 2000"),
    ("notes", 1001 * ["n"], r"notes: .* maxItems 1000"),
    ("notes", ["\ud800"], r"notes.0: '\\ud800' is not allowed; it must be a text of whole"),
    ("train.models", [10 * "D44444444444"], r"train.models.0: .* maxLength 80"),
    ("evaluate.angle_step", 1e-9, r"evaluate.angle_step: 1e-09 .* minimum 0.1"),
    ("evaluate.conditions", ["rotated"], r"evaluate.conditions: .* a list that holds clean"),
    ("train.loss.class_weights", 3, r"class_weights: 3 .* one of the forms .* \(none, inverse"),
    ("train.overrides", {"D4": {"loss": {}}}, r"train.overrides.D4.loss: 'kind' is a required"),
    ("train.overrides", {"D4": {"schedule": 3}}, r"train.overrides.D4.schedule: 3 is not allowed"),
    ("conditions", {3: {"kind": "rotation"}}, r'conditions: the key 3 is not allowed; .*write "3"'),
    ("search.space", {"flip": {"low": 0, "high": 10**400}}, r"search.space.flip.high: 10+"),
    (
        "search.space",
        {"schedule.factor": {"low": 0.1, "high": 0.5}, "schedule.kind": {"choices": ["x", "y"]}},
        r"search.space.schedule.kind: train.schedule.kind: 'x' is not allowed",
    ),
    ("track.mlflow", "https://{x}", r"track.mlflow: 'https://{x}' is not allowed"),
]


@pytest.mark.parametrize(
    ("key", "value", "message"),
    WRONG_VALUES,
    ids=[f"{k}-{n}" for n, (k, *_) in enumerate(WRONG_VALUES)],
)
def test_wrong_types_and_absurd_sizes_are_named(small, schema, key, value, message):
    *parents, last = key.split(".")
    place = small
    for parent in parents:
        place = place[parent]
    place[last] = value
    with pytest.raises(InputError, match=message):
        check_config(small, schema)


@pytest.mark.parametrize("config", [None, [], "x", 3])
def test_a_config_is_a_mapping(config, schema):
    with pytest.raises(InputError, match="config: the top level: .* it must be keys with values"):
        check_config(config, schema)
