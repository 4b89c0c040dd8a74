"""Write labels, positions and redshifts of a raw HDF5 file as a table."""

import argparse
from collections.abc import Sequence

from equimorph.data.catalogue import write_catalogue
from equimorph.io import run


def main(argv: Sequence[str] | None = None) -> None:
    """Parse the arguments and write the catalogue."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--raw", required=True, help="raw HDF5 file, verified")
    parser.add_argument("--class-names", nargs="+", required=True, help="names in label order")
    parser.add_argument("--catalogue", required=True, help="catalogue.csv to write")
    arguments = parser.parse_args(argv)
    write_catalogue(arguments.raw, arguments.catalogue, arguments.class_names)


if __name__ == "__main__":
    run(main)
