"""Check a raw HDF5 file against the schema and describe it."""

import argparse
from collections.abc import Sequence

from equimorph.data.verify import verify
from equimorph.io import run, write_json


def main(argv: Sequence[str] | None = None) -> None:
    """Parse the arguments, check the file and write what was found."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--raw", required=True, help="raw HDF5 file")
    parser.add_argument("--classes", type=int, required=True, help="number of classes")
    parser.add_argument("--sha256", help="digest that the file must have")
    parser.add_argument(
        "--class-counts", type=int, nargs="+", help="images that each class must have, in order"
    )
    parser.add_argument(
        "--own", action="store_true", help="a person's own file: are positions in degrees?"
    )
    parser.add_argument("--output", required=True, help="verified.json to write")
    arguments = parser.parse_args(argv)
    expected = arguments.sha256, arguments.class_counts
    found = verify(arguments.raw, arguments.classes, *expected, arguments.own)
    write_json(arguments.output, found)


if __name__ == "__main__":
    run(main)
