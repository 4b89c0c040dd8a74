"""Check a study's config before any job runs.

The JSON schema says what each key may hold; `cross_check` says what a schema cannot. Both give one
message that names the key and what is allowed.
"""

import math
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from jsonschema import Draft202012Validator, ValidationError
from jsonschema.validators import extend

from equimorph.errors import InputError
from equimorph.models.limits import check
from equimorph.study.cross_checks import check_world_size, cross_check
from equimorph.study.models import resolve
from equimorph.study.recipes import SCHEDULE_KEYS
from equimorph.study.renamed_keys import check_renamed_keys
from equimorph.study.scale import scaled
from equimorph.study.search_space import (
    Choices,
    Range,
    read_space,
    searched_model,
    single_study,
    tried,
    with_value,
)
from equimorph.study.yaml_files import read_yaml


def _is_integer(_: Any, value: Any) -> bool:
    """Say whether a script takes the value for an integer: 3.0 is one to JSON, not to Python."""
    return isinstance(value, int) and not isinstance(value, bool)


def _is_finite(_: Any, value: Any) -> bool:
    return _is_integer(_, value) or (isinstance(value, float) and math.isfinite(value))


_TYPES = Draft202012Validator.TYPE_CHECKER.redefine_many(
    {"integer": _is_integer, "number": _is_finite}
)
_Validator = extend(Draft202012Validator, type_checker=_TYPES)

LONGEST_SHOWN = 200  # characters of a value in a message


def check_config(
    config: Mapping[str, Any], schema: Mapping[str, Any], files: Iterable[str | Path] = ()
) -> None:
    """Check a merged config, and the files that it was merged from.

    Raises:
        InputError: the first thing that is wrong, by key, with what is allowed.
    """
    for path in files:
        read_yaml(path)
    if not isinstance(config, Mapping):
        raise InputError(
            f"config: the top level: {_shown(config)} is not allowed; it must be keys with values."
        )
    _check_texts(config, "")
    check_renamed_keys(config)
    _check_schema(config, schema)
    _check_overridden(config, schema)
    cross_check(config)
    _check_scaled(config)
    _check_search(config, schema)


def _check_texts(value: Any, key: str) -> None:
    """Check that keys are texts, and that files can hold each text."""
    where = f"config: {key or 'the top level'}"
    if isinstance(value, str):
        try:
            value.encode()
        except UnicodeEncodeError as error:
            raise InputError(
                f"{where}: {_shown(value)} is not allowed; it must be a text of whole characters, "
                "without halves of surrogate pairs."
            ) from error
    elif isinstance(value, Mapping):
        for name, inner in value.items():
            if not isinstance(name, str):
                raise InputError(
                    f"{where}: the key {_shown(name)} is not allowed; it must be a text: write "
                    f'"{name}".'
                )
            _check_texts(name, key)
            _check_texts(inner, f"{key}.{name}" if key else name)
    elif isinstance(value, list):
        for number, inner in enumerate(value):
            _check_texts(inner, f"{key}.{number}")


def _check_overridden(config: Mapping[str, Any], schema: Mapping[str, Any]) -> None:
    """Check what each model's recipe is with what is said of it alone."""
    train = config["train"]
    parts = {f"train.overrides.{name}": changes for name, changes in train["overrides"].items()}
    for key, changes in (*parts.items(), ("pretrain.recipe", config["pretrain"]["recipe"])):
        try:
            _check_schema({**config, "train": {**train, **changes}}, schema)
        except InputError as error:
            raise InputError(str(error).replace("config: train", f"config: {key}", 1)) from error


def _check_scaled(config: Mapping[str, Any]) -> None:
    """Check that each model can be built at the study's scale, too."""
    if config["scale"] == 1:
        return
    small = scaled(config)
    for name in small["train"]["models"]:
        try:
            check(resolve(name, small["models"], small["network"]), len(config["data"]["classes"]))
        except InputError as error:
            raise InputError(f"config: scale {config['scale']:g}: {name}: {error}") from error


def _check_schema(config: Mapping[str, Any], schema: Mapping[str, Any]) -> None:
    errors = sorted(
        _Validator(schema).iter_errors(config), key=lambda e: (len(e.path), str(e.path))
    )
    if errors:
        raise InputError(_describe(errors[0]))


def _describe(error: ValidationError) -> str:
    """Say in one sentence which key is wrong and what it may be."""
    key = ".".join(str(part) for part in error.absolute_path) or "the top level"
    rule: Any = error.schema
    given: Any = error.instance
    if error.validator == "additionalProperties":
        known = ", ".join(sorted(rule["properties"]))
        unknown = ", ".join(sorted(set(given) - set(rule["properties"])))
        return f"config: {key}: unknown key {_cut(unknown)}; allowed are {known}."
    if error.validator == "required":
        return f"config: {key}: {error.message}; needed are {', '.join(rule['required'])}."
    allowed = {
        "enum": lambda: "one of " + ", ".join(str(value) for value in rule["enum"]),
        "type": lambda: f"of type {_either(rule['type'])}",
        "oneOf": lambda: "one of the forms described here",
        "contains": lambda: f"a list that holds {rule['contains']['const']}",
        "minItems": lambda: f"a list of at least {rule['minItems']} entries",
        "pattern": lambda: f"a text of the form {rule['pattern']}",
    }.get(str(error.validator), lambda: f"a value with {error.validator} {error.validator_value}")()
    hint = ""
    if error.validator == "type" and _is_number(given):
        number = float(given)
        whole = "integer" in rule["type"] and number.is_integer()
        reason = f"YAML reads {given} as a text: write" if isinstance(given, str) else "Write"
        hint = f" {reason} {int(number) if whole else number!r} instead."
    meaning = f" ({rule['description'].rstrip('.')})" if "description" in rule else ""
    return f"config: {key}: {_shown(given)} is not allowed; it must be {allowed}{meaning}.{hint}"


def _either(names: str | list[str]) -> str:
    return names if isinstance(names, str) else " or ".join(names)


def _shown(value: Any) -> str:
    """Return a value as a message shows it: on one line, and not at any length."""
    return _cut(repr(value))


def _cut(text: str) -> str:
    return (
        text if len(text) <= LONGEST_SHOWN else f"{text[:LONGEST_SHOWN]}… ({len(text)} characters)"
    )


def _is_number(value: Any) -> bool:
    """Say whether the value, or the text, is a number that may have been meant."""
    try:
        return not isinstance(value, bool) and math.isfinite(float(value))
    except (TypeError, ValueError, OverflowError):
        return False


def _check_search(config: Mapping[str, Any], schema: Mapping[str, Any]) -> None:
    """Check that the search's model can be built and each range holds allowed values alone."""
    name, classes = searched_model(config), len(config["data"]["classes"])
    try:
        check(resolve(name, config["models"], config["network"]), classes)
    except InputError as error:
        raise InputError(f"config: search.model: {error}") from error
    single = single_study(config)
    space = read_space(config["search"]["space"])
    changes = {
        key: [with_value(single, key, v) for v in span.probes()] for key, span in space.items()
    }
    # All values first: what is asked of a key may depend on those of another (schedule.kind).
    for key, changed in changes.items():
        with _named(f"search.space.{key}"):
            for study in changed:
                _check_schema(study, schema)
                check_world_size(study)
    for key, changed in changes.items():
        with _named(f"search.space.{key}"):
            if key.startswith("schedule."):
                _check_schedule_key(key.removeprefix("schedule."), single, space)
            if key.startswith("network."):
                networks = [resolve(name, one["models"], one["network"]) for one in changed]
                for network in networks:
                    check(network, classes)
                if networks[0] == networks[1]:
                    raise InputError(
                        f"{name} does not depend on it: it is no argument of its architecture, or "
                        "its own entry sets it."
                    )


@contextmanager
def _named(key: str) -> Iterator[None]:
    """Name the key of the config whose value another message is about."""
    try:
        yield
    except InputError as error:
        raise InputError(f"config: {key}: {str(error).removeprefix('config: ')}") from error


def _check_schedule_key(
    key: str, single: Mapping[str, Any], space: Mapping[str, Range | Choices]
) -> None:
    """Check that a searched key is one that the schedule uses."""
    kinds = tried("schedule.kind", single["train"]["schedule"]["kind"], space)
    allowed = sorted({"kind", *(used for kind in kinds for used in SCHEDULE_KEYS[kind])})
    if key not in allowed:
        raise InputError(
            f"a schedule of the kind {' or '.join(kinds)} does not use it; allowed are "
            f"{', '.join(f'schedule.{name}' for name in allowed)}."
        )
