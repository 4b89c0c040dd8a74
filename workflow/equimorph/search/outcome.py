"""The outcome of a search: the table of its trials, and the best trial as a study of its own."""

from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd
import yaml

from equimorph.errors import InputError
from equimorph.study.recipes import recipe_settings
from equimorph.study.search_space import with_values
from equimorph.study.yaml_files import merged

_COLUMNS = ("trial", "state", "validation_loss", "best_epochs", "epochs", "seconds", "reason")


def best_of(results: Sequence[Mapping[str, Any]]) -> Mapping[str, Any]:
    """Return the completed trial with the lowest validation loss, the first of equals.

    Args:
        results: what `Search.results` returns.

    Raises:
        InputError: none was completed.
    """
    completed = [result for result in results if result["state"] == "completed"]
    if not completed:
        reasons = {result["reason"] or result["state"] for result in results}
        raise InputError(
            f"search: none of {len(results)} trials was completed ({'; '.join(sorted(reasons))}). "
            "Change search.space."
        )
    return min(completed, key=lambda result: (result["validation_loss"], result["trial"]))


def trials_csv(results: Sequence[Mapping[str, Any]]) -> str:
    """Return one line per trial as CSV text; the searched keys are the last columns."""
    rows = [
        {
            **{column: result[column] for column in _COLUMNS},
            "best_epochs": " ".join(map(str, result["best_epochs"])),
            **result["values"],
        }
        for result in results
    ]
    return pd.DataFrame(rows).to_csv(index=False)


def difference(base: Mapping[str, Any], target: Mapping[str, Any]) -> dict[str, Any]:
    """Return the overlay that, merged into `base`, makes `target`.

    An overlay cannot take keys away: those that `target` lacks stay.
    """
    overlay = {}
    for key, value in target.items():
        if isinstance(value, Mapping) and isinstance(base.get(key), Mapping):
            inner = difference(base[key], value)
            if inner:
                overlay[key] = inner
        elif key not in base or base[key] != value:
            overlay[key] = value
    return overlay


def best_study(
    single: Mapping[str, Any], outcome: Mapping[str, Any], base: Mapping[str, Any]
) -> dict[str, Any]:
    """Return the overlay for the study that trains the model as the best trial did.

    Args:
        single: the study that `search_space.single_study` returns.
        outcome: the content of the search's study.json.
        base: the content of config.yaml, which the overlay is merged into.

    Raises:
        InputError: `base` holds overrides, which no overlay takes away.
    """
    best = outcome["best"]
    target = {
        **with_values(single, best["values"]),
        "study": f"{single['study']}-best",
        "notes": [*single["notes"], _note(outcome)],
    }
    # Written out even where config.yaml has the same values today.
    explicit = {"train": {key: target["train"][key] for key in ("models", "epochs", "patience")}}
    overlay = merged(difference(base, target), with_values(explicit, best["values"]))
    made, meant = merged(base, overlay)["train"], target["train"]
    # Recipes, not keys: an augmentation need not name what is off.
    (name,) = meant["models"]
    equal = recipe_settings(made, name) == recipe_settings(meant, name)
    if made["overrides"] != meant["overrides"] or not equal:
        raise InputError(
            "config.yaml: train.overrides holds entries, which the preset of the best trial cannot "
            "take away; move them to an overlay of your own."
        )
    return {key: overlay[key] for key in target if key in overlay}


def _note(outcome: Mapping[str, Any]) -> str:
    trials = len(outcome["trials"])
    keys = ", ".join(outcome["best"]["values"])
    return (
        f"{keys} of {outcome['model']} were chosen by the lowest validation loss of {trials} "
        "trials, so the validation loss of this study is too low; the test set had no part in it."
    )


def preset_text(overlay: Mapping[str, Any], outcome: Mapping[str, Any], path: str) -> str:
    """Return an overlay as a YAML file that says where it comes from and how it is run."""
    best = outcome["best"]
    head = (
        f"# Trial {best['trial']} of {len(outcome['trials'])} of the search of the study "
        f"{outcome['study']}: validation loss {best['validation_loss']:.4f}.\n"
        f"# snakemake --cores all --configfile {path}\n"
        "# It holds what the study's own preset says, which need not be given again. For a "
        "comparison, name\n# more models in train.models.\n"
    )
    return head + yaml.safe_dump(dict(overlay), sort_keys=False, allow_unicode=True, width=100)
