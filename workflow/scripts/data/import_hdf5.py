"""Import an HDF5 file with Galaxy10's keys as the raw file, byte by byte."""

import argparse
from collections.abc import Sequence

from equimorph.io import copy_file, run


def main(argv: Sequence[str] | None = None) -> None:
    """Parse the arguments and copy the file."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--file", required=True, help="HDF5 file with the keys of Galaxy10")
    parser.add_argument("--sha256", required=True, help="digest that the file must have")
    parser.add_argument("--output", required=True, help="raw HDF5 file to write")
    arguments = parser.parse_args(argv)
    copy_file(arguments.file, arguments.output, arguments.sha256)


if __name__ == "__main__":
    run(main)
