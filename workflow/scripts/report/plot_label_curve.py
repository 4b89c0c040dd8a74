"""Plot accuracy against the number of labels."""

import argparse
from pathlib import Path
from typing import Any

import pandas as pd

from equimorph.io import read_json, run
from equimorph.report.figures.label_curve import label_curve
from equimorph.report.figures.style import save


def rows(models: dict[str, dict[str, Any]]) -> list[dict[str, Any]]:
    """Return a row per model and seed on the clean test images, and without a real label."""
    found = []
    for model in models.values():
        measured = {model["train_images"]: model["conditions"]["clean"]}
        if "zero_labels" in model:
            measured[0] = model["zero_labels"]
        found += [
            {
                "network": model["group"] or model["architecture"].upper(),
                "group": model["group"],
                "pretrained": model["pretrained"],
                "labels": labels,
                "accuracy": accuracy,
            }
            for labels, summary in measured.items()
            for accuracy in summary["accuracy"]["values"]
        ]
    return found


def main(argv: list[str] | None = None) -> None:
    """Read the metrics; write the figure."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--metrics", type=Path, required=True, help="metrics.json")
    parser.add_argument("--output", type=Path, required=True, help="figure, SVG")
    arguments = parser.parse_args(argv)

    scores = pd.DataFrame(rows(read_json(arguments.metrics)["models"]))
    trained = scores["labels"] > 0
    save(label_curve(scores[trained], scores[~trained]), arguments.output)


if __name__ == "__main__":
    run(main)
