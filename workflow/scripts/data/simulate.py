"""Simulate galaxies of all ten classes; write everything but their images, which draw.py makes."""

import argparse
from functools import partial

from tqdm import tqdm

from equimorph.io import run
from equimorph.simulation.draw import without_images, write_galaxies
from equimorph.simulation.simulate import simulate


def main(argv: list[str] | None = None) -> None:
    """Parse the arguments, simulate, write."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--per-class", type=int, required=True, help="galaxies per class, >= 1")
    parser.add_argument("--size", type=int, default=65, help="pixels on a side, >= 33")
    parser.add_argument("--seed", type=int, default=0, help="any integer >= 0")
    parser.add_argument("--output", required=True, help="galaxies without images (.npz)")
    args = parser.parse_args(argv)
    progress = partial(tqdm, desc="simulate", unit="galaxy", mininterval=1)
    recipe = (args.per_class, args.size, args.seed)
    write_galaxies(args.output, without_images(simulate(*recipe, progress), *recipe))


if __name__ == "__main__":
    run(main)
