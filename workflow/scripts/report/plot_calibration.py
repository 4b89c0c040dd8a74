"""Plot reliability before and after temperature scaling, and the error of each class."""

import argparse
from pathlib import Path

from equimorph.io import read_json, run
from equimorph.report.figures.style import save
from equimorph.report.figures.temperature import before_and_after
from equimorph.report.shown import shown


def main(argv: list[str] | None = None) -> None:
    """Read the calibration; write the figure."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--measures", type=Path, required=True, help="calibration, JSON")
    parser.add_argument("--metrics", type=Path, required=True, help="metrics.json")
    parser.add_argument("--output", type=Path, required=True, help="figure, SVG")
    arguments = parser.parse_args(argv)

    networks = read_json(arguments.measures)["networks"]
    metrics = read_json(arguments.metrics)
    names = shown(metrics, networks)
    groups = {name: metrics["models"][name]["group"] for name in names}
    save(before_and_after({name: networks[name] for name in names}, groups), arguments.output)


if __name__ == "__main__":
    run(main)
