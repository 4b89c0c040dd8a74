"""Draw the images of simulated galaxies and write them as a raw file."""

import argparse
from functools import partial

from tqdm import tqdm

from equimorph.data.raw import write_raw
from equimorph.io import run
from equimorph.simulation.draw import draw, read_galaxies


def main(argv: list[str] | None = None) -> None:
    """Read the galaxies, draw them, write."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--galaxies", required=True, help="galaxies without images (.npz)")
    parser.add_argument("--output", required=True, help="HDF5 file to write")
    arguments = parser.parse_args(argv)
    progress = partial(tqdm, desc="draw", unit="galaxy", mininterval=1)
    write_raw(arguments.output, *draw(read_galaxies(arguments.galaxies), progress))


if __name__ == "__main__":
    run(main)
