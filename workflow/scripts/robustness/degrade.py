"""Make one degraded copy of the test images."""

import argparse
import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from equimorph.data.image_file import new_images, open_images
from equimorph.data.split_file import read_split
from equimorph.errors import InputError
from equimorph.io import run
from equimorph.progress import progress
from equimorph.robustness.degrade import degrade, needs_mean
from equimorph.robustness.pixels import mean_value
from equimorph.study.conditions import check_condition, steps_of

BLOCK = 64  # images in memory at a time


def read_steps(text: str) -> list[dict[str, Any]]:
    """Return the degradations that a JSON text asks for, checked."""
    try:
        condition = json.loads(text)
    except ValueError as error:
        raise InputError(f"--specification {text}: not JSON ({error}).") from error
    single = isinstance(condition, dict)
    several = isinstance(condition, list) and all(isinstance(one, dict) for one in condition)
    if not single and not several:
        raise InputError(
            f"--specification {text}: allowed is a JSON object with the key kind, or a list of "
            "such objects."
        )
    check_condition(condition)
    return steps_of(condition)


@dataclass
class Degraded:
    """Test images on their way through the steps of a condition.

    Attributes:
        images: (N, H, H, 3) uint8 of the data set.
        steps: what is done, in order.
        means: mean pixel value of all test images before each step, where it needs one.
    """

    images: np.ndarray
    steps: list[dict[str, Any]]
    means: list[float | None] = field(default_factory=list)

    def block(self, rows: np.ndarray) -> np.ndarray:
        """Return the images of these rows after the steps whose means are known."""
        block = self.images[rows]
        for number, (step, mean) in enumerate(zip(self.steps, self.means, strict=False)):
            block = degrade(block, rows, mean=mean, step=number, **step)
        return block

    def find_means(self, blocks: list[np.ndarray]) -> None:
        """Find the mean before each step, over the blocks of rows that make up the test set."""
        weights = [len(rows) for rows in blocks]
        for step in self.steps:
            mean = None
            if needs_mean(step["kind"]):
                values = [mean_value(self.block(rows)) for rows in blocks]
                mean = float(np.average(values, weights=weights))
            self.means.append(mean)


def main(argv: Sequence[str] | None = None) -> None:
    """Read the test images, degrade them block by block, write them."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--images", required=True, help="images.npy of the data set")
    parser.add_argument("--split", required=True, help="subset, index, label of each galaxy")
    parser.add_argument(
        "--specification",
        required=True,
        help='kind and settings, JSON: {"kind": "none"}; or a list',
    )
    parser.add_argument("--output", required=True, help=".npy to write, in order of the index")
    arguments = parser.parse_args(argv)

    steps = read_steps(arguments.specification)
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
    making = Degraded(images, steps)
    making.find_means(blocks)
    title = f"degrade: {', '.join(step['kind'] for step in steps)}"
    with (
        new_images(arguments.output, (len(rows), *images.shape[1:])) as degraded,
        progress(len(rows), title, "images") as bar,
    ):
        for block in blocks:
            degraded.write(making.block(block).data)
            bar.update(len(block))


if __name__ == "__main__":
    run(main)
