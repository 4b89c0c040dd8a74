"""Write a copy of the images without their field stars."""

import argparse
from collections.abc import Sequence

import numpy as np
import pandas as pd

from equimorph.data.stars import remove_stars
from equimorph.data.tensors import open_images
from equimorph.errors import InputError
from equimorph.io import atomic_path, run
from equimorph.progress import progress


def main(argv: Sequence[str] | None = None) -> None:
    """Take the stars from each image as the command line says, image by image."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--images", required=True, help="images.npy of the data set")
    parser.add_argument("--catalogue", required=True, help="catalogue, for arcsec per pixel")
    parser.add_argument("--seed", required=True, type=int, help="seed of the filled-in noise")
    parser.add_argument("--output", required=True, help=".npy to write, of the same shape")
    arguments = parser.parse_args(argv)

    images = open_images(arguments.images)
    scales = pd.read_csv(arguments.catalogue)["pxscale"].to_numpy()
    if len(scales) != len(images) or not np.all(scales > 0):
        raise InputError(
            f"{arguments.catalogue}: needed is a positive pxscale for each of the {len(images)} "
            f"images in {arguments.images}."
        )
    header = {"descr": "|u1", "fortran_order": False, "shape": images.shape}
    with (
        atomic_path(arguments.output) as temporary,
        open(temporary, "wb") as file,
        progress(len(images), "remove stars", "images") as bar,
    ):
        np.lib.format.write_array_header_1_0(file, header)
        for index, (image, scale) in enumerate(zip(images, scales, strict=True)):
            draw = np.random.default_rng([arguments.seed, index])
            file.write(remove_stars(np.asarray(image), float(scale), draw).tobytes())
            bar.update(1)


if __name__ == "__main__":
    run(main)
