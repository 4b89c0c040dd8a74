"""Check a study's config before any job runs.

The JSON schema says what each key may hold; `cross_check` says what a schema cannot. Both give one
message that names the key and what is allowed.
"""

import math
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import yaml
from jsonschema import Draft202012Validator, ValidationError

from equimorph.errors import InputError
from equimorph.groups.names import is_group_name, parse_group
from equimorph.models.matching import base_trunk, matched_in_macs
from equimorph.models.specification import resolve
from equimorph.models.widths import exact_sizes
from equimorph.robustness.conditions import check_spec
from equimorph.scale import scaled
from equimorph.search.space import read_space, searched_model, single_study, with_value
from equimorph.training.settings import NOT_OF_RECIPE, recipe_settings


class _UniqueKeyLoader(yaml.SafeLoader):
    """A YAML loader that refuses a key given twice; PyYAML keeps the last one silently."""


def _unique_mapping(loader: _UniqueKeyLoader, node: yaml.MappingNode) -> dict[Any, Any]:
    seen: set[Any] = set()
    for key_node, _ in node.value:
        key = loader.construct_object(key_node)
        if key_node.tag != "tag:yaml.org,2002:merge" and key in seen:
            mark = key_node.start_mark
            raise InputError(
                f"{mark.name}, line {mark.line + 1}: the key {key!r} stands twice in one mapping; "
                "each key, and so each model, is defined once."
            )
        seen.add(key)
    loader.flatten_mapping(node)
    return yaml.SafeLoader.construct_mapping(loader, node, deep=True)


_UniqueKeyLoader.add_constructor("tag:yaml.org,2002:map", _unique_mapping)


def read_yaml(path: str | Path) -> Any:
    """Read a YAML file whose mappings define each key once.

    Raises:
        InputError: a key stands twice, or the file is not YAML.
    """
    with open(path, encoding="utf-8") as file:
        loader = _UniqueKeyLoader(file)
        loader.name = str(path)
        try:
            return loader.get_single_data()
        except yaml.YAMLError as error:
            raise InputError(f"{path}: not a YAML file ({error}).") from error
        finally:
            loader.dispose()


def merged(base: Mapping[str, Any], overlay: Mapping[str, Any]) -> dict[str, Any]:
    """Return `base` with `overlay` merged in recursively, as Snakemake's --configfile does."""
    result = dict(base)
    for key, value in overlay.items():
        both = isinstance(value, Mapping) and isinstance(result.get(key), Mapping)
        result[key] = merged(result[key], value) if both else value
    return result


def check_config(
    config: Mapping[str, Any], schema: Mapping[str, Any], files: Iterable[str | Path] = ()
) -> None:
    """Check a merged config, and the files that it was merged from.

    Raises:
        InputError: the first thing that is wrong, by key, with what is allowed.
    """
    for path in files:
        read_yaml(path)
    _check_schema(config, schema)
    cross_check(config)
    train = config["train"]
    for name, changes in train["overrides"].items():
        try:
            _check_schema({**config, "train": {**train, **changes}}, schema)
        except InputError as error:
            message = str(error).replace("config: train", f"config: train.overrides.{name}", 1)
            raise InputError(message) from error
    _check_search(config, schema)


def _check_schema(config: Mapping[str, Any], schema: Mapping[str, Any]) -> None:
    errors = sorted(
        Draft202012Validator(schema).iter_errors(config), key=lambda e: (len(e.path), str(e.path))
    )
    if errors:
        raise InputError(_describe(errors[0]))


def _describe(error: ValidationError) -> str:
    """Say in one sentence which key is wrong and what it may be."""
    key = ".".join(str(part) for part in error.absolute_path) or "the top level"
    rule = error.schema
    if error.validator == "additionalProperties":
        known = ", ".join(sorted(rule["properties"]))
        unknown = sorted(set(error.instance) - set(rule["properties"]))
        return f"config: {key}: unknown key {', '.join(unknown)}; allowed are {known}."
    if error.validator == "required":
        return f"config: {key}: {error.message}; needed are {', '.join(rule['required'])}."
    allowed = {
        "enum": lambda: "one of " + ", ".join(str(value) for value in rule["enum"]),
        "type": lambda: f"of type {rule['type']}",
        "minItems": lambda: f"a list of at least {rule['minItems']} entries",
        "pattern": lambda: f"a text of the form {rule['pattern']}",
    }.get(error.validator, lambda: f"a value with {error.validator} {error.validator_value}")()
    hint = ""
    if isinstance(error.instance, str) and error.validator == "type" and _is_number(error.instance):
        hint = f" YAML reads {error.instance} as a text: write {float(error.instance)!r} instead."
    meaning = f" ({rule['description'].rstrip('.')})" if "description" in rule else ""
    return f"config: {key}: {error.instance!r} is not allowed; it must be {allowed}{meaning}.{hint}"


def _is_number(text: str) -> bool:
    try:
        return math.isfinite(float(text))
    except ValueError:
        return False


def cross_check(config: Mapping[str, Any]) -> None:
    """Check what a schema cannot say.

    Raises:
        InputError: the first thing that is wrong, by key, with what is allowed.
    """
    _check_split(config["data"]["split"])
    _check_conditions(config["conditions"], config["evaluate"]["conditions"])
    _check_models(config)
    _check_overrides(config["train"])
    _check_processes(config)
    if config["train"]["patience"] > config["train"]["epochs"]:
        raise InputError(
            f"config: train.patience: {config['train']['patience']} is not allowed; it must be at "
            f"most train.epochs ({config['train']['epochs']}), which means no early stopping."
        )


def _check_split(split: Mapping[str, Any]) -> None:
    total = split["train"] + split["validation"] + split["test"]
    if not math.isclose(total, 1, abs_tol=1e-9):
        raise InputError(
            f"config: data.split: train + validation + test add up to {total:g}; they must add up "
            "to 1."
        )
    if split["folds"] is not None and split["fold"] >= split["folds"]:
        raise InputError(
            f"config: data.split.fold: {split['fold']} is not allowed; it must be below "
            f"data.split.folds ({split['folds']})."
        )


def _check_conditions(conditions: Mapping[str, Mapping[str, Any]], chosen: list[str]) -> None:
    if "clean" in conditions:
        raise InputError(
            "config: conditions.clean: this name is the test set as taken; choose another one."
        )
    for name in chosen:
        if name != "clean" and name not in conditions:
            raise InputError(
                f"config: evaluate.conditions: {name!r} is not allowed; it must be clean or one "
                f"of {', '.join(conditions) or 'no others'}."
            )
    for name, condition in conditions.items():
        try:
            check_spec(condition)
        except InputError as error:
            raise InputError(f"config: conditions.{name}: {error}") from error


def _check_models(config: Mapping[str, Any]) -> None:
    models, chosen = config["models"], config["train"]["models"]
    for name in models:
        if is_group_name(name):
            raise InputError(
                f"config: models.{name}: two entries define {name}, which is already the GCNN with "
                "that group; give this one another name."
            )
    if config["evaluate"]["reference"] not in chosen:
        raise InputError(
            f"config: evaluate.reference: {config['evaluate']['reference']!r} is not trained; "
            f"allowed are the entries of train.models: {', '.join(chosen)}."
        )
    first: dict[str, str] = {}
    for name in chosen:
        if chosen.count(name) > 1:
            raise InputError(f"config: train.models: {name} stands twice; each is allowed once.")
        try:
            specification = resolve(name, models, config["network"])
            _check_specification(specification)
        except InputError as error:
            raise InputError(f"config: train.models: {error}") from error
        twin = first.setdefault(repr(sorted(specification.items())), name)
        if twin != name:
            raise InputError(
                f"config: models.{name}: two entries define the same model, {twin} and {name}; "
                "they must differ in at least one key."
            )


def _check_overrides(train: Mapping[str, Any]) -> None:
    """Check that what differs for one model is a part of the recipe, of a model that is trained."""
    allowed = sorted(train.keys() - {*NOT_OF_RECIPE})
    for name, changes in train["overrides"].items():
        if name not in train["models"]:
            raise InputError(
                f"config: train.overrides.{name}: this model is not trained; allowed are the "
                f"entries of train.models: {', '.join(train['models'])}."
            )
        unknown = sorted(set(changes) - set(allowed))
        if unknown:
            raise InputError(
                f"config: train.overrides.{name}: unknown key {', '.join(unknown)}; allowed are "
                f"{', '.join(allowed)}."
            )


def _check_processes(config: Mapping[str, Any]) -> None:
    """Check that processes can share each model's batches equally."""
    if config["train"]["processes"] == 1:
        return
    train = scaled(config)["train"]
    for name in train["models"]:
        batch_size = recipe_settings(train, name)["batch_size"]
        if batch_size % train["processes"]:
            raise InputError(
                f"config: train.processes: {train['processes']} is not allowed; it must divide the "
                f"batch size of every model, which for {name} is {batch_size}."
            )


def _check_search(config: Mapping[str, Any], schema: Mapping[str, Any]) -> None:
    """Check that the search's model can be built and each range holds allowed values alone."""
    name = searched_model(config)
    try:
        _check_specification(resolve(name, config["models"], config["network"]))
    except InputError as error:
        raise InputError(f"config: search.model: {error}") from error
    single = single_study(config)
    for key, span in read_space(config["search"]["space"]).items():
        changed = [with_value(single, key, value) for value in span.probes()]
        try:
            for study in changed:
                _check_schema(study, schema)
                _check_processes(study)
            if key.startswith("network."):
                networks = [resolve(name, one["models"], one["network"]) for one in changed]
                for network in networks:
                    _check_specification(network)
                if networks[0] == networks[1]:
                    raise InputError(
                        f"{name} does not depend on it: it is no argument of its architecture, or "
                        "its own entry sets it."
                    )
        except InputError as error:
            message = str(error).removeprefix("config: ")
            raise InputError(f"config: search.space.{key}: {message}") from error


def _check_specification(specification: Mapping[str, Any]) -> None:
    """Check what can be known of a model without building it.

    Raises:
        InputError: an unknown group, or sizes that do not fit.
    """
    for name in [*specification.get("groups", ()), specification.get("orbit")]:
        if name is not None:
            parse_group(name)
    group = specification.get("group")
    if group is not None and specification["architecture"] != "harmonic":
        parse_group(group)
    if "fields" in specification:
        _check_trunk(specification)


def _check_trunk(specification: Mapping[str, Any]) -> None:
    blocks = len(specification["fields"])
    if any(block > blocks for block in specification["pool_after"]):
        raise InputError(
            f"pool_after {specification['pool_after']}: allowed are the blocks 1 to {blocks}."
        )
    exact_sizes(base_trunk(specification), specification["input_size"])
    if specification.get("match") == "macs":
        matched_in_macs(specification)
