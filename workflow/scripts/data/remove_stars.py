"""Write a copy of the images without their field stars."""

import argparse
from collections.abc import Sequence

import numpy as np

from equimorph.choices import choose
from equimorph.data.catalogue import read_catalogue
from equimorph.data.image_file import new_images, open_images
from equimorph.data.star_filters import FILTERS, SEEING
from equimorph.errors import InputError
from equimorph.io import run
from equimorph.progress import progress


def main(argv: Sequence[str] | None = None) -> None:
    """Read the images, replace the stars in each, write the copy."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--images", required=True, help="images.npy of the data set")
    parser.add_argument("--catalogue", required=True, help="catalogue, for arcsec per pixel")
    parser.add_argument("--filter", default=SEEING, help=f"one of {', '.join(FILTERS)}")
    parser.add_argument("--seed", required=True, type=int, help="seed of the filled-in noise")
    parser.add_argument("--output", required=True, help=".npy to write, of the same shape")
    arguments = parser.parse_args(argv)

    remove = choose(FILTERS, "data.stars.kind", arguments.filter)
    if arguments.seed < 0:
        raise InputError(f"seed {arguments.seed}: allowed are the integers from 0.")
    images = open_images(arguments.images)
    scales = read_catalogue(arguments.catalogue)["pxscale"].to_numpy()
    if len(scales) != len(images) or not np.all(scales > 0):
        raise InputError(
            f"{arguments.catalogue}: needed is a positive pxscale for each of the {len(images)} "
            f"images in {arguments.images}."
        )
    with (
        new_images(arguments.output, images.shape) as cleaned,
        progress(len(images), "remove stars", "images") as bar,
    ):
        for index, (image, scale) in enumerate(zip(images, scales, strict=True)):
            draw = np.random.default_rng([arguments.seed, index])
            cleaned.write(remove(np.asarray(image), float(scale), draw).tobytes())
            bar.update(1)


if __name__ == "__main__":
    run(main)
