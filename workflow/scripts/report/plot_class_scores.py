"""Plot how well each class is found by each network."""

import argparse
from pathlib import Path

from equimorph.io import read_json, run
from equimorph.report.figures.exploration import class_scores
from equimorph.report.figures.style import save
from equimorph.report.findings import first_condition


def main(argv: list[str] | None = None) -> None:
    """Read the metrics; write the figure."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--metrics", type=Path, required=True, help="metrics.json")
    parser.add_argument("--output", type=Path, required=True, help="figure, SVG")
    arguments = parser.parse_args(argv)

    metrics = read_json(arguments.metrics)
    condition = first_condition(metrics)
    scores = {
        name: model["conditions"][condition]["per_class"]
        for name, model in metrics["models"].items()
    }
    save(class_scores(scores, metrics["data"]["classes"]), arguments.output)


if __name__ == "__main__":
    run(main)
