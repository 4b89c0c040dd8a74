"""Gather the accuracies of models that were trained on more and fewer labels."""

import argparse
from pathlib import Path

from equimorph.evaluation.label_curve import label_curve
from equimorph.evaluation.table_file import write_table
from equimorph.io import read_json, run


def main(argv: list[str] | None = None) -> None:
    """Read the measures; write the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--measures", nargs="+", type=Path, required=True, help="one JSON per model"
    )
    parser.add_argument("--output", type=Path, required=True, help="a row per model and seed, CSV")
    arguments = parser.parse_args(argv)

    table = label_curve(map(read_json, arguments.measures))
    write_table(arguments.output, table)


if __name__ == "__main__":
    run(main)
