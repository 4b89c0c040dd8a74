"""Plot accuracy, macro-F1 and ECE of all networks along each sweep."""

import argparse
from pathlib import Path

import pandas as pd

from equimorph.io import read_json, run
from equimorph.report.figures.style import save
from equimorph.report.figures.sweeps import sweep_curves
from equimorph.report.shown import shown


def main(argv: list[str] | None = None) -> None:
    """Read the curves; write the figure."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--measures", type=Path, required=True, help="curves, JSON")
    parser.add_argument("--metrics", type=Path, required=True, help="metrics.json")
    parser.add_argument("--output", type=Path, required=True, help="figure, SVG")
    arguments = parser.parse_args(argv)

    measures = read_json(arguments.measures)
    metrics = read_json(arguments.metrics)
    swept = next(iter(measures.values()))["networks"]
    groups = pd.Series(
        {name: model["group"] for name, model in metrics["models"].items()}, dtype=object
    )
    in_order = [name for name in groups.index if name in swept]
    save(sweep_curves(measures, groups, in_order, shown(metrics, in_order)), arguments.output)


if __name__ == "__main__":
    run(main)
