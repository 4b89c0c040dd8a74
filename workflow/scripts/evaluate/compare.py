"""Gather the measures of all models, compare them on the same images, and write the tables."""

import argparse
from pathlib import Path
from typing import Any

import pandas as pd

from equimorph.errors import InputError
from equimorph.evaluation.metrics import METRICS
from equimorph.evaluation.predictions import by_condition, model_and_seed
from equimorph.evaluation.summary import best_equivariant, compare_with
from equimorph.io import atomic_path, read_json, run, write_json
from equimorph.provenance import STAMP, stamp


def main(argv: list[str] | None = None) -> None:
    """Read all measures and predictions; write metrics.json and three tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--measures",
        nargs="+",
        type=Path,
        required=True,
        help="one JSON per model, in the order in which to show models",
    )
    parser.add_argument(
        "--predictions",
        nargs="+",
        type=Path,
        required=True,
        help="files <model>/seed-<s>/<condition>.npz of all models",
    )
    parser.add_argument("--split-json", type=Path, required=True, help="the split's description")
    parser.add_argument("--verified-json", type=Path, required=True, help="the raw file's facts")
    parser.add_argument("--source", required=True, help="data source, such as simulated")
    parser.add_argument("--study", required=True, help="name of the study")
    parser.add_argument(
        "--reference", help="model that all others are compared with; left out: no comparisons"
    )
    parser.add_argument("--output", type=Path, required=True, help="metrics.json")
    parser.add_argument(
        "--tables-dir",
        type=Path,
        required=True,
        help="folder for accuracy.csv, per_class.csv and comparisons.csv",
    )
    arguments = parser.parse_args(argv)

    measures = {record["model"]: record for record in map(read_json, arguments.measures)}
    split = read_json(arguments.split_json)
    verified = read_json(arguments.verified_json)
    check_measures(measures, split, arguments.reference)
    first = next(iter(measures.values()))
    metrics = {
        "study": arguments.study,
        "split": {
            "sha256": split["sha256"],
            "protocol": split["protocol"],
            "leaky": split["leaky"],
            "test_images": first["test_images"],
        },
        "data": {
            "source": arguments.source,
            "sha256": verified["sha256"],
            "images": verified["images"],
            "classes": first["classes"],
        },
        "bootstrap": first["bootstrap"],
        "validation_choice": {"best_equivariant": best_equivariant(measures)},
        "reference": arguments.reference,
        "models": {name: model_record(record) for name, record in measures.items()},
        "comparisons": comparisons(
            measures, arguments.predictions, arguments.reference, first["bootstrap"]
        ),
        **stamp("cpu", threads=1),
    }
    write_json(arguments.output, metrics)
    for name, table in tables(metrics).items():
        with atomic_path(arguments.tables_dir / f"{name}.csv") as temporary:
            table.to_csv(temporary, index=False, float_format="%.6g", lineterminator="\n")


def check_measures(
    measures: dict[str, dict[str, Any]], split: dict[str, Any], reference: str | None
) -> None:
    """Check that all models were trained on this split and measured alike."""
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


def comparisons(
    measures: dict[str, dict[str, Any]],
    paths: list[Path],
    reference: str | None,
    bootstrap: dict[str, int],
) -> dict[str, list[dict[str, Any]]]:
    """Return every model's comparison with the reference, by condition."""
    if reference is None:
        return {}
    predictions = {
        name: by_condition([path for path in paths if model_and_seed(path)[0] == name])
        for name in measures
    }
    return {
        condition: compare_with(
            reference,
            {name: table[condition] for name, table in predictions.items()},
            bootstrap["draws"],
            bootstrap["seed"],
        )
        for condition in next(iter(measures.values()))["conditions"]
    }


def tables(metrics: dict[str, Any]) -> dict[str, pd.DataFrame]:
    """Return the tables of the metrics, one row per number that a reader looks up."""
    measured = [
        (name, condition, values)
        for name, model in metrics["models"].items()
        for condition, values in model["conditions"].items()
    ]
    accuracy = [
        {
            "model": name,
            "condition": condition,
            "mean": values["accuracy"]["mean"],
            "sd": values["accuracy"]["sd"],
            "seeds": values["accuracy"]["n"],
            "ci95_low": values["accuracy"]["ci95"][0],
            "ci95_high": values["accuracy"]["ci95"][1],
            **{metric: values[metric]["mean"] for metric in METRICS if metric != "accuracy"},
        }
        for name, condition, values in measured
    ]
    per_class = [
        {"model": name, "condition": condition, "class": label, **scores}
        for name, condition, values in measured
        for label, scores in values["per_class"].items()
    ]
    compared = [
        {
            "condition": condition,
            "a": row["a"],
            "b": row["b"],
            "difference": row["difference"],
            "ci95_low": row["ci95"][0],
            "ci95_high": row["ci95"][1],
            "mcnemar_p": row["mcnemar_p"],
            "holm_p": row["holm_p"],
        }
        for condition, rows in metrics["comparisons"].items()
        for row in rows
    ]
    columns = ["condition", "a", "b", "difference", "ci95_low", "ci95_high", "mcnemar_p", "holm_p"]
    return {
        "accuracy": pd.DataFrame(accuracy),
        "per_class": pd.DataFrame(per_class),
        "comparisons": pd.DataFrame(compared, columns=columns),
    }


if __name__ == "__main__":
    run(main)
