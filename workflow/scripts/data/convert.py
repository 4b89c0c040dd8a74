"""Convert a raw HDF5 file to a memory-mappable array and a catalogue."""

import argparse
from collections.abc import Sequence

from equimorph.data.classes import GALAXY10_CLASSES
from equimorph.data.convert import convert
from equimorph.io import run


def main(argv: Sequence[str] | None = None) -> None:
    """Parse the arguments and convert the file."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--raw", required=True, help="raw HDF5 file, verified")
    parser.add_argument(
        "--class-names",
        nargs="+",
        default=GALAXY10_CLASSES,
        help="names of the labels 0, 1, …; default: those of Galaxy10",
    )
    parser.add_argument("--images", required=True, help="images.npy to write")
    parser.add_argument("--catalogue", required=True, help="catalogue.csv to write")
    arguments = parser.parse_args(argv)
    convert(arguments.raw, arguments.images, arguments.catalogue, arguments.class_names)


if __name__ == "__main__":
    run(main)
