"""Plot how often one pixel changes a network's answer, and which classes turn into which."""

import argparse
from pathlib import Path

import numpy as np
import pandas as pd

from equimorph.analyses.attack_measures import table
from equimorph.io import read_json, run
from equimorph.report.figures.attack import attack_rates
from equimorph.report.figures.style import save


def main(argv: list[str] | None = None) -> None:
    """Read the rates; write the figure."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--measures", type=Path, required=True, help="rates, JSON")
    parser.add_argument("--metrics", type=Path, required=True, help="metrics.json")
    parser.add_argument("--output", type=Path, required=True, help="figure, SVG")
    arguments = parser.parse_args(argv)

    measures, metrics = read_json(arguments.measures), read_json(arguments.metrics)
    rates = pd.DataFrame(table(measures))
    first = next(iter(measures["methods"].values()))
    changes = np.sum([network["changes"] for network in first["networks"].values()], axis=0)
    figure = attack_rates(
        rates[rates["victims"] == "common"],
        {name: model["group"] for name, model in metrics["models"].items()},
        changes,
        metrics["data"]["classes"],
    )
    save(figure, arguments.output)


if __name__ == "__main__":
    run(main)
