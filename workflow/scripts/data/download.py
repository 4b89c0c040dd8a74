"""Download an HDF5 file of galaxy images, with resume and a checksum."""

import argparse
from collections.abc import Sequence

from equimorph.data.download import download
from equimorph.io import run


def main(argv: Sequence[str] | None = None) -> None:
    """Parse the arguments and download the file."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--mirrors", nargs="+", required=True, help="URLs of the file, tried in order"
    )
    parser.add_argument("--sha256", required=True, help="digest of the file, hexadecimal")
    parser.add_argument("--bytes", type=int, help="size of the file, if known")
    parser.add_argument("--output", required=True, help="where the file goes")
    arguments = parser.parse_args(argv)
    download(arguments.mirrors, arguments.output, arguments.sha256, arguments.bytes)


if __name__ == "__main__":
    run(main)
