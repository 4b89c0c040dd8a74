"""Plot accuracy against the number of labels."""

import argparse
from pathlib import Path

import pandas as pd

from equimorph.io import run
from equimorph.report.figures.label_curve import label_curve
from equimorph.report.figures.style import save


def main(argv: list[str] | None = None) -> None:
    """Read the table; write the figure."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--table", type=Path, required=True, help="label_curve.csv")
    parser.add_argument("--output", type=Path, required=True, help="figure, SVG")
    arguments = parser.parse_args(argv)

    save(label_curve(pd.read_csv(arguments.table)), arguments.output)


if __name__ == "__main__":
    run(main)
