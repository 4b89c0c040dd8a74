"""Tables of a study's metrics, one row per number that a reader looks up."""

from typing import Any

import pandas as pd

from equimorph.evaluation.metrics import METRICS


def tables(metrics: dict[str, Any]) -> dict[str, pd.DataFrame]:
    """Return the tables by name, from what `summary.study_metrics` returns."""
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
