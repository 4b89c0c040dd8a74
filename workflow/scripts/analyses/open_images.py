"""Write a copy of a raw file whose images are opened morphologically."""

import argparse

from equimorph.analyses.data_sets import opened, read_raw, write_set
from equimorph.errors import InputError
from equimorph.io import run
from equimorph.robustness.degradations.opening import SETTINGS


def main(argv: list[str] | None = None) -> None:
    """Read a data set, open its images, write it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--raw", required=True, help="raw HDF5 file")
    parser.add_argument("--radius", type=int, required=True, help="of the disc, in px")
    parser.add_argument("--output", required=True, help="HDF5 file to write")
    arguments = parser.parse_args(argv)

    is_allowed, allowed = SETTINGS["radius"]
    if not is_allowed(arguments.radius):
        raise InputError(f"radius {arguments.radius}: allowed is {allowed}.")
    raw = opened(read_raw(arguments.raw), arguments.radius)
    write_set(arguments.output, raw, arguments.raw)


if __name__ == "__main__":
    run(main)
