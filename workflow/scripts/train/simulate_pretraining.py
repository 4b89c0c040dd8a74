"""Simulate the galaxies that networks are pretrained on, split into training and validation."""

import argparse
import hashlib
from collections.abc import Sequence
from functools import partial

from tqdm import tqdm

from equimorph.data.image_file import new_images
from equimorph.data.split import describe_split
from equimorph.data.split_file import split_csv
from equimorph.io import atomic_path, run, sha256_of, write_json, write_text
from equimorph.simulation.pretraining import simulate_pretraining, split_pretraining


def main(argv: Sequence[str] | None = None) -> None:
    """Parse the arguments, simulate, write what a training reads."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--per-class", type=int, required=True, help="galaxies per class")
    parser.add_argument("--size", type=int, required=True, help="pixels on a side")
    parser.add_argument("--field", type=float, required=True, help="arcsec on a side")
    parser.add_argument("--seed", type=int, required=True, help="any integer from 0")
    parser.add_argument("--jpeg", type=int, help="quality of the JPEG file each image has been")
    parser.add_argument("--output-images", required=True, help="images (.npy)")
    parser.add_argument("--output-catalogue", required=True, help="label and pixel scale, CSV")
    parser.add_argument("--output-verified", required=True, help="digest of the images, JSON")
    parser.add_argument("--output-split-csv", required=True, help="subset of each galaxy")
    parser.add_argument("--output-split-json", required=True, help="hash and counts")
    arguments = parser.parse_args(argv)

    images, table = simulate_pretraining(
        arguments.per_class,
        arguments.size,
        arguments.field,
        arguments.seed,
        arguments.jpeg,
        partial(tqdm, desc="simulate", unit="galaxy", mininterval=1),
    )
    label = table["label"].to_numpy()
    split = split_pretraining(label)
    text = split_csv(split, label)
    with new_images(arguments.output_images, images.shape) as file:
        file.write(images.data)
    with atomic_path(arguments.output_catalogue) as temporary:
        table.to_csv(temporary, index_label="index", lineterminator="\n")
    write_text(arguments.output_split_csv, text)
    digest = hashlib.sha256(text.encode()).hexdigest()
    write_json(arguments.output_split_json, {"sha256": digest, **describe_split(split, label)})
    # These images have no raw file: their own digest says what a network was trained on.
    raw = {"sha256": sha256_of(arguments.output_images), "images": len(images)}
    write_json(arguments.output_verified, {**raw, "shape": list(images.shape[1:])})


if __name__ == "__main__":
    run(main)
