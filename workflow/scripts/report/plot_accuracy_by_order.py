"""Plot accuracy against group order, one panel per condition."""

import argparse
import math
from pathlib import Path

import pandas as pd

from equimorph.io import read_json, run
from equimorph.report.figures.accuracy import accuracy_by_order
from equimorph.report.figures.style import save


def main(argv: list[str] | None = None) -> None:
    """Read the metrics; write the main figure."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--metrics", type=Path, required=True, help="metrics.json")
    parser.add_argument("--output", type=Path, required=True, help="figure, SVG")
    arguments = parser.parse_args(argv)

    metrics = read_json(arguments.metrics)
    scores = pd.DataFrame(
        [
            {
                "model": name,
                "group": model["group"],
                "group_order": model["group_order"] or math.inf,
                "condition": condition,
                "accuracy": accuracy,
            }
            for name, model in metrics["models"].items()
            for condition, measured in model["conditions"].items()
            for accuracy in measured["accuracy"]["values"]
        ]
    )
    save(accuracy_by_order(scores, 1 / len(metrics["data"]["classes"])), arguments.output)


if __name__ == "__main__":
    run(main)
