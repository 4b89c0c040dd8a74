"""Check a study's config before any job runs.

The JSON schema says what each key may hold; `cross_check` says what a schema cannot. Both give one
message that names the key and what is allowed.
"""

import math
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from jsonschema import Draft202012Validator, ValidationError
from jsonschema.validators import extend

from equimorph.errors import InputError
from equimorph.study.cross_checks import check_specification, check_world_size, cross_check
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


def check_config(
    config: Mapping[str, Any], schema: Mapping[str, Any], files: Iterable[str | Path] = ()
) -> None:
    """Check a merged config, and the files that it was merged from.

    Raises:
        InputError: the first thing that is wrong, by key, with what is allowed.
    """
    for path in files:
        read_yaml(path)
    check_renamed_keys(config)
    _check_schema(config, schema)
    cross_check(config)
    _check_scaled(config)
    train = config["train"]
    for name, changes in train["overrides"].items():
        try:
            _check_schema({**config, "train": {**train, **changes}}, schema)
        except InputError as error:
            message = str(error).replace("config: train", f"config: train.overrides.{name}", 1)
            raise InputError(message) from error
    _check_search(config, schema)


def _check_scaled(config: Mapping[str, Any]) -> None:
    """Check that each model can be built at the study's scale, too."""
    small = scaled(config)
    for name in small["train"]["models"]:
        try:
            check_specification(resolve(name, small["models"], small["network"]))
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
        unknown = sorted(set(given) - set(rule["properties"]))
        return f"config: {key}: unknown key {', '.join(unknown)}; allowed are {known}."
    if error.validator == "required":
        return f"config: {key}: {error.message}; needed are {', '.join(rule['required'])}."
    allowed = {
        "enum": lambda: "one of " + ", ".join(str(value) for value in rule["enum"]),
        "type": lambda: f"of type {rule['type']}",
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
    return f"config: {key}: {given!r} is not allowed; it must be {allowed}{meaning}.{hint}"


def _is_number(value: Any) -> bool:
    """Say whether the value, or the text, is a number that may have been meant."""
    try:
        return not isinstance(value, bool) and math.isfinite(float(value))
    except (TypeError, ValueError, OverflowError):
        return False


def _check_search(config: Mapping[str, Any], schema: Mapping[str, Any]) -> None:
    """Check that the search's model can be built and each range holds allowed values alone."""
    name = searched_model(config)
    try:
        check_specification(resolve(name, config["models"], config["network"]))
    except InputError as error:
        raise InputError(f"config: search.model: {error}") from error
    single = single_study(config)
    space = read_space(config["search"]["space"])
    for key, span in space.items():
        changed = [with_value(single, key, value) for value in span.probes()]
        try:
            for study in changed:
                _check_schema(study, schema)
                check_world_size(study)
            if key.startswith("schedule."):
                _check_schedule_key(key.removeprefix("schedule."), single, space)
            if key.startswith("network."):
                networks = [resolve(name, one["models"], one["network"]) for one in changed]
                for network in networks:
                    check_specification(network)
                if networks[0] == networks[1]:
                    raise InputError(
                        f"{name} does not depend on it: it is no argument of its architecture, or "
                        "its own entry sets it."
                    )
        except InputError as error:
            message = str(error).removeprefix("config: ")
            raise InputError(f"config: search.space.{key}: {message}") from error


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
