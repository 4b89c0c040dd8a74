"""Plot the number of images per class and subset."""

import argparse
from pathlib import Path

import pandas as pd

from equimorph.io import run
from equimorph.report.figures.catalogue import class_histogram
from equimorph.report.figures.style import save


def main(argv: list[str] | None = None) -> None:
    """Read the split; write the histogram."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--split", type=Path, required=True, help="split, CSV")
    parser.add_argument(
        "--class-names", nargs="+", required=True, help="class names in label order"
    )
    parser.add_argument("--output", type=Path, required=True, help="figure, SVG")
    arguments = parser.parse_args(argv)

    save(class_histogram(pd.read_csv(arguments.split), arguments.class_names), arguments.output)


if __name__ == "__main__":
    run(main)
