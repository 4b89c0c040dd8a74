"""From predictions and runs to the study's metrics: per model, and between models."""

from typing import Any

import numpy as np

from equimorph.errors import InputError
from equimorph.evaluation.metrics import METRICS, measure, reliability_bins
from equimorph.evaluation.predictions import Predictions, check_same_images
from equimorph.evaluation.probabilities import probabilities
from equimorph.evaluation.statistics import (
    bootstrap_interval,
    holm,
    mcnemar,
    mean_sd,
    paired_difference,
)
from equimorph.provenance import STAMP


def correct_by_seed(by_seed: dict[int, Predictions]) -> np.ndarray:
    """Return whether each seed is right on each image, booleans of shape (seeds, n)."""
    return np.stack([p.logits.argmax(axis=1) == p.label for p in by_seed.values()])


def ensemble_correct(by_seed: dict[int, Predictions]) -> np.ndarray:
    """Return whether the seeds' averaged class probabilities are right, booleans of shape (n,)."""
    mean = np.mean([probabilities(p.logits) for p in by_seed.values()], axis=0)
    return mean.argmax(axis=1) == next(iter(by_seed.values())).label


def summarise_condition(
    by_seed: dict[int, Predictions],
    classes: list[str],
    draws: int,
    generator: np.random.Generator,
) -> dict[str, Any]:
    """Summarise one model under one condition over its seeds.

    The metrics are means over seeds with their standard deviations, the per-class scores means over
    seeds. The confusion matrix and the reliability bins hold the predictions of all seeds together
    (so the ECE is not exactly that of the bins).
    """
    measured = [measure(p.logits, p.label, classes) for p in by_seed.values()]
    summary: dict[str, Any] = {name: mean_sd([m[name] for m in measured]) for name in METRICS}
    summary["accuracy"]["values"] = [m["accuracy"] for m in measured]
    summary["accuracy"]["ci95"] = bootstrap_interval([correct_by_seed(by_seed)], draws, generator)
    summary["per_class"] = {
        name: {
            key: None
            if measured[0]["per_class"][name][key] is None
            else float(np.mean([m["per_class"][name][key] for m in measured]))
            for key in ("precision", "recall", "f1")
        }
        for name in classes
    }
    summary["confusion"] = np.sum([m["confusion"] for m in measured], axis=0).tolist()
    summary["reliability"] = reliability_bins(
        np.concatenate([probabilities(p.logits) for p in by_seed.values()]),
        np.concatenate([p.label for p in by_seed.values()]),
    )
    return summary


def accuracy_without(by_seed: dict[int, Predictions], rows: list[int]) -> dict[str, Any]:
    """Return the accuracy over seeds without some images, and how many `images` are left.

    Args:
        by_seed: one model's predictions under one condition.
        rows: rows in the data set of the images to leave out.
    """
    kept = ~np.isin(next(iter(by_seed.values())).index, rows)
    return {
        "images": int(kept.sum()),
        **mean_sd(correct_by_seed(by_seed)[:, kept].mean(axis=1).tolist()),
    }


def summarise_runs(runs: list[dict[str, Any]]) -> dict[str, Any]:
    """Summarise one model's trainings, one run per seed.

    Raises:
        InputError: runs of different models, groups, sizes or splits, or a seed given twice.
    """
    first = runs[0]
    counts = ("parameters", "macs", "executed_macs")
    fixed = ("model", "group", "group_order", *counts, "input_size", "train_images", "split_sha256")
    for run in runs[1:]:
        for key in fixed:
            if run[key] != first[key]:
                raise InputError(
                    f"model {first['model']}: {key} differs between seeds "
                    f"({first[key]!r} and {run[key]!r})."
                )
    seeds = [run["seed"] for run in runs]
    if len(set(seeds)) != len(seeds):
        raise InputError(f"model {first['model']}: seeds {seeds} hold one twice.")
    return {
        "group": first["group"],
        "architecture": first["architecture"],
        "group_order": first["group_order"],
        "parameters": first["parameters"],
        "macs": first["macs"],
        "executed_macs": first["executed_macs"],
        "input_size": first["input_size"],
        "train_images": first["train_images"],
        "pretrained": "start_from" in first,
        "train_seconds": float(np.mean([run["train_seconds"] for run in runs])),
        "seeds": seeds,
        "validation_accuracy": mean_sd([run["validation_accuracy"] for run in runs]),
        "validation_loss": mean_sd([run["validation_loss"] for run in runs]),
        "split_sha256": first["split_sha256"],
    }


def is_equivariant(model: dict[str, Any]) -> bool:
    """Tell whether a model of the metrics has a group larger than the identity."""
    return bool(model["group"]) and model["group_order"] != 1  # SO(2) and O(2) have no order


def best_equivariant(models: dict[str, dict[str, Any]]) -> str | None:
    """Return the equivariant model with the lowest mean validation loss; None without any.

    The test set has no part in the choice. The validation loss chooses the epoch, too, and on a
    small validation set it is less noisy than the accuracy. Ties go to fewer multiply-adds.
    """
    names = [name for name, model in models.items() if is_equivariant(model)]
    return min(
        names,
        key=lambda name: (models[name]["validation_loss"]["mean"], models[name]["executed_macs"]),
        default=None,
    )


def highlighted(metrics: dict[str, Any]) -> list[str]:
    """Return the models that figures show in detail: the best equivariant and the reference.

    Where a study has neither, its first model.
    """
    names = [metrics["validation_choice"]["best_equivariant"], metrics["reference"]]
    return [name for name in dict.fromkeys(names) if name] or [next(iter(metrics["models"]))]


def compare_with(
    reference: str,
    predictions: dict[str, dict[int, Predictions]],
    draws: int,
    seed: int,
) -> list[dict[str, Any]]:
    """Compare every model with the reference under one condition.

    Args:
        reference: the name of model b of each comparison.
        predictions: predictions of each model and seed, on the same images.
        draws: bootstrap resamples.
        seed: seed of the resamples; each comparison uses the same ones.

    Returns:
        Per model a: the difference in accuracy (a - b), its interval, and McNemar's p of the two
        seed ensembles, raw and Holm-corrected over the comparisons of this condition.
    """
    base = predictions[reference]
    rows = []
    for name, by_seed in predictions.items():
        if name == reference:
            continue
        check_same_images(next(iter(base.values())), next(iter(by_seed.values())), f"model {name}")
        difference = paired_difference(
            correct_by_seed(by_seed), correct_by_seed(base), draws, np.random.default_rng(seed)
        )
        p = mcnemar(ensemble_correct(by_seed), ensemble_correct(base))
        rows.append({"a": name, "b": reference, **difference, "mcnemar_p": p})
    for row, corrected in zip(rows, holm([row["mcnemar_p"] for row in rows]), strict=True):
        row["holm_p"] = corrected
    return rows


def study_metrics(
    measures: dict[str, dict[str, Any]],
    predictions: dict[str, dict[str, dict[int, Predictions]]],
    split: dict[str, Any],
    verified: dict[str, Any],
    reference: str | None,
) -> dict[str, Any]:
    """Gather the measures of all models, and compare them on the same images.

    Args:
        measures: per model, in the order in which to show them, what the rule `measure` wrote.
        predictions: predictions of each model, condition and seed.
        split: description of the study's split.
        verified: facts about the raw file.
        reference: the model that all others are compared with; None for no comparisons.

    Raises:
        InputError: the models were not trained on this split or not measured alike.
    """
    check_measures(measures, split, reference)
    first = next(iter(measures.values()))
    return {
        "split": {
            **{key: split[key] for key in ("sha256", "protocol", "leaky")},
            "test_images": first["test_images"],
        },
        "data": {
            **{key: verified[key] for key in ("sha256", "images")},
            "classes": first["classes"],
        },
        "bootstrap": first["bootstrap"],
        "validation_choice": {"best_equivariant": best_equivariant(measures)},
        "reference": reference,
        "models": {name: model_record(record) for name, record in measures.items()},
        "comparisons": {}
        if reference is None
        else {
            condition: compare_with(
                reference,
                {name: by_condition[condition] for name, by_condition in predictions.items()},
                first["bootstrap"]["draws"],
                first["bootstrap"]["seed"],
            )
            for condition in first["conditions"]
        },
    }


def check_measures(
    measures: dict[str, dict[str, Any]], split: dict[str, Any], reference: str | None
) -> None:
    """Check that all models were trained on this split and measured alike.

    Raises:
        InputError: a model was not, or the reference is none of them.
    """
    first = next(iter(measures.values()))
    for name, record in measures.items():
        if record["split_sha256"] != split["sha256"]:
            raise InputError(
                f"model {name} was trained on split {record['split_sha256'][:12]}, not on "
                f"{split['sha256'][:12]}; retrain it on the split of this study."
            )
        for key in ("classes", "bootstrap", "test_images"):
            if record[key] != first[key]:
                raise InputError(f"model {name}: {key} differs from that of the other models.")
        if list(record["conditions"]) != list(first["conditions"]):
            raise InputError(f"model {name}: its conditions differ from those of the other models.")
    if reference is not None and reference not in measures:
        raise InputError(f"--reference {reference}: allowed are {', '.join(measures)}.")


def model_record(record: dict[str, Any]) -> dict[str, Any]:
    """Return a model's part of the metrics: its measures without what all models share."""
    shared = ("model", "split_sha256", "classes", "bootstrap", "test_images", *STAMP)
    return {key: value for key, value in record.items() if key not in shared}
