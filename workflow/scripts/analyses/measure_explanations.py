"""Gather how well each network's explanations turn with the image."""

import argparse
from pathlib import Path

from equimorph.analyses.array_file import read_arrays
from equimorph.io import run, write_json


def main(argv: list[str] | None = None) -> None:
    """Read the explanations of all networks; write their errors."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--explanations", nargs="+", type=Path, required=True, help="<model>.npz, each"
    )
    parser.add_argument("--output", type=Path, required=True, help="errors, JSON")
    arguments = parser.parse_args(argv)

    errors = {}
    for path in arguments.explanations:
        stored = read_arrays(path)
        errors[path.stem] = float(stored["turned_error"])
        images = len(stored["position"])
    write_json(arguments.output, {"images": images, "turned_error": errors}, compact=True)


if __name__ == "__main__":
    run(main)
