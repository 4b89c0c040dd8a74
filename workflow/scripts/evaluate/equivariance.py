"""Measure how one model's logits and accuracy change when test images are rotated or reflected."""

import argparse

import numpy as np
import torch

from equimorph.data.image_file import open_images
from equimorph.data.split_file import read_split
from equimorph.data.star_filters import SEEING
from equimorph.device import DEVICES, open_device
from equimorph.errors import InputError
from equimorph.evaluation.equivariance import measure_equivariance
from equimorph.groups.names import symmetry
from equimorph.io import run, write_json
from equimorph.models.trained import load_checkpoint
from equimorph.provenance import stamp


def main(argv: list[str] | None = None) -> None:
    """Measure one model on a part of the test set; write the errors and accuracies."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", required=True, help="weights (.safetensors)")
    parser.add_argument("--images", required=True, help="memory-mapped images (.npy)")
    parser.add_argument("--split", required=True, help="subset, index, label of each galaxy")
    parser.add_argument("--step", type=float, default=15, help="degrees between two angles")
    parser.add_argument("--at-most", type=int, default=100, help="test images to use")
    parser.add_argument("--seed", type=int, default=0, help="seed of their choice")
    parser.add_argument("--stars-removed", type=int, help="seed, if their field stars are removed")
    parser.add_argument("--star-filter", default=SEEING, help="what has removed them then")
    parser.add_argument("--device", default="cpu", choices=DEVICES, help="where to compute")
    parser.add_argument("--threads", type=int, default=1, help="CPU threads")
    parser.add_argument("--output", required=True, help="error and accuracy against angle, JSON")
    arguments = parser.parse_args(argv)
    if not 0 < arguments.step <= 360:
        raise InputError(f"--step {arguments.step}: allowed is above 0, up to 360 degrees.")
    if arguments.at_most < 2:
        raise InputError(f"--at-most {arguments.at_most}: allowed is 2 or more.")

    torch.set_num_threads(arguments.threads)
    device = open_device(arguments.device)
    index = read_split(arguments.split)["test"]
    label = read_split(arguments.split, column="label")["test"]
    # The same images for every model and seed of a study.
    count = min(arguments.at_most, len(index))
    chosen = np.random.default_rng(arguments.seed).choice(len(index), count, replace=False)
    chosen.sort()
    checkpoint = load_checkpoint(arguments.model)
    checkpoint.network.to(device)
    images, *beside = checkpoint.prepare(
        open_images(arguments.images)[index[chosen]],
        stars_removed=arguments.stars_removed,
        star_filter=arguments.star_filter,
    )
    angles = np.arange(0, 360, arguments.step).tolist()
    measured = measure_equivariance(
        checkpoint.network, images.to(device), torch.tensor(label[chosen]), angles, beside
    )
    group, order = symmetry(checkpoint.metadata["specification"])
    write_json(
        arguments.output,
        {
            "model": checkpoint.metadata["model"],
            "seed": checkpoint.metadata["seed"],
            "group": group,
            "group_order": order,
            "images": len(chosen),
            "images_seed": arguments.seed,
            **measured,
            "split_sha256": checkpoint.metadata["split_sha256"],
            **stamp(str(device), arguments.threads),
        },
        compact=True,
    )


if __name__ == "__main__":
    run(main)
