"""Convert the images of a raw HDF5 file to a memory-mappable array."""

import argparse
from collections.abc import Sequence

from equimorph.data.convert import convert
from equimorph.io import run


def main(argv: Sequence[str] | None = None) -> None:
    """Parse the arguments and convert the file."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--raw", required=True, help="raw HDF5 file, verified")
    parser.add_argument("--images", required=True, help="images.npy to write")
    arguments = parser.parse_args(argv)
    convert(arguments.raw, arguments.images)


if __name__ == "__main__":
    run(main)
