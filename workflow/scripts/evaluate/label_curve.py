"""Gather the accuracies of models that were trained on more and fewer labels."""

import argparse
from pathlib import Path

from equimorph.evaluation.label_curve import label_curve
from equimorph.io import atomic_path, read_json, run


def main(argv: list[str] | None = None) -> None:
    """Read the measures; write the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--measures", nargs="+", type=Path, required=True, help="one JSON per model"
    )
    parser.add_argument("--output", type=Path, required=True, help="a row per model and seed, CSV")
    arguments = parser.parse_args(argv)

    table = label_curve(map(read_json, arguments.measures))
    with atomic_path(arguments.output) as temporary:
        table.to_csv(temporary, index=False, float_format="%.6g", lineterminator="\n")


if __name__ == "__main__":
    run(main)
