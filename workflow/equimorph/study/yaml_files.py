"""Read YAML files strictly, and merge them as Snakemake does."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from equimorph.errors import InputError


class _UniqueKeyLoader(yaml.SafeLoader):
    """A YAML loader that refuses a key given twice; PyYAML keeps the last one silently."""


def _unique_mapping(loader: _UniqueKeyLoader, node: yaml.MappingNode) -> dict[Any, Any]:
    seen: set[Any] = set()
    for key_node, _ in node.value:
        if key_node.tag == "tag:yaml.org,2002:merge":
            continue
        key = loader.construct_object(key_node)
        if key in seen:
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
