"""Plot the confusion matrices of the best equivariant model and the reference."""

import argparse
from pathlib import Path

import numpy as np

from equimorph.evaluation.summary import highlighted
from equimorph.io import read_json, run
from equimorph.report.figures.confusion import confusion_matrices
from equimorph.report.figures.style import save


def main(argv: list[str] | None = None) -> None:
    """Read the metrics; write the figure."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--metrics", type=Path, required=True, help="metrics.json")
    parser.add_argument("--condition", default="clean", help="condition to show")
    parser.add_argument("--output", type=Path, required=True, help="figure, SVG")
    arguments = parser.parse_args(argv)

    metrics = read_json(arguments.metrics)
    matrices = {
        name: np.array(metrics["models"][name]["conditions"][arguments.condition]["confusion"])
        for name in highlighted(metrics)
    }
    save(confusion_matrices(matrices, metrics["data"]["classes"]), arguments.output)


if __name__ == "__main__":
    run(main)
