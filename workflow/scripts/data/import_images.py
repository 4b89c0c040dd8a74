"""Import a folder of images with a manifest into a raw HDF5 file."""

import argparse
import math
from collections.abc import Sequence

from equimorph.data.images import import_images
from equimorph.data.raw import write_raw
from equimorph.io import run


def main(argv: Sequence[str] | None = None) -> None:
    """Parse the arguments, read the images and write the raw file."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--folder", required=True, help="folder with the images and manifest.csv")
    parser.add_argument("--class-names", nargs="+", required=True, help="names in label order")
    parser.add_argument(
        "--pixel-scale", type=float, default=math.nan, help="arcsec per pixel; default: unknown"
    )
    parser.add_argument("--output", required=True, help="raw HDF5 file to write")
    arguments = parser.parse_args(argv)
    arrays = import_images(arguments.folder, arguments.class_names, arguments.pixel_scale)
    write_raw(arguments.output, *arrays)


if __name__ == "__main__":
    run(main)
