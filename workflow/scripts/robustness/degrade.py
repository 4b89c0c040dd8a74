"""Make one degraded copy of the test images."""

import argparse
import json
from collections.abc import Sequence

import numpy as np

from equimorph.data.image_file import new_images, open_images
from equimorph.data.split import read_split
from equimorph.errors import InputError
from equimorph.io import run
from equimorph.progress import progress
from equimorph.robustness.degrade import degrade, needs_mean
from equimorph.robustness.pixels import mean_value
from equimorph.study.conditions import check_spec

BLOCK = 64  # images in memory at a time


def read_spec(text: str) -> dict:
    """Return the degradation that a JSON text asks for, checked."""
    try:
        spec = json.loads(text)
    except ValueError as error:
        raise InputError(f"--specification {text}: not JSON ({error}).") from error
    if not isinstance(spec, dict):
        raise InputError(f"--specification {text}: allowed is a JSON object with the key kind.")
    check_spec(spec)
    return spec


def main(argv: Sequence[str] | None = None) -> None:
    """Read the test images, degrade them block by block, write them."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--images", required=True, help="images.npy of the data set")
    parser.add_argument("--split", required=True, help="subset, index, label of each galaxy")
    parser.add_argument(
        "--specification", required=True, help='kind and settings, JSON: {"kind": "none"}'
    )
    parser.add_argument("--output", required=True, help=".npy to write, in order of the index")
    arguments = parser.parse_args(argv)

    spec = read_spec(arguments.specification)
    images = open_images(arguments.images)
    rows = read_split(arguments.split)["test"]
    if not len(rows):
        raise InputError(f"{arguments.split}: has no test rows; at least one is needed.")
    if rows[-1] >= len(images):
        raise InputError(
            f"{arguments.split}: test row {rows[-1]} is not in {arguments.images}, which holds "
            f"{len(images)} images; both must be of one data set."
        )
    blocks = [rows[start : start + BLOCK] for start in range(0, len(rows), BLOCK)]
    mean = None
    if needs_mean(spec["kind"]):
        mean = np.average([mean_value(images[b]) for b in blocks], weights=[len(b) for b in blocks])
    with (
        new_images(arguments.output, (len(rows), *images.shape[1:])) as degraded,
        progress(len(rows), f"degrade: {spec['kind']}", "images") as bar,
    ):
        for block in blocks:
            degraded.write(degrade(images[block], block, mean=mean, **spec).data)
            bar.update(len(block))


if __name__ == "__main__":
    run(main)
