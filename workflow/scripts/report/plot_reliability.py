"""Plot the reliability of the best equivariant model and the reference."""

import argparse
from pathlib import Path

import pandas as pd

from equimorph.evaluation.summary import highlighted
from equimorph.io import read_json, run
from equimorph.report.figures.calibration import reliability_diagram
from equimorph.report.figures.style import save


def main(argv: list[str] | None = None) -> None:
    """Read the metrics; write the figure."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--metrics", type=Path, required=True, help="metrics.json")
    parser.add_argument("--condition", default="clean", help="condition to show")
    parser.add_argument("--output", type=Path, required=True, help="figure, SVG")
    arguments = parser.parse_args(argv)

    metrics = read_json(arguments.metrics)
    models = metrics["models"]
    measured = {
        name: models[name]["conditions"][arguments.condition] for name in highlighted(metrics)
    }
    figure = reliability_diagram(
        {name: pd.DataFrame(values["reliability"]) for name, values in measured.items()},
        {name: models[name]["group"] for name in measured},
        {name: values["ece"]["mean"] for name, values in measured.items()},
    )
    save(figure, arguments.output)


if __name__ == "__main__":
    run(main)
