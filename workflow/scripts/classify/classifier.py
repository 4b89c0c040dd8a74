"""Put the study's best network where others find it, with what is needed to use it."""

import argparse
from pathlib import Path

import pandas as pd
import torch

from equimorph.classify.companion import save_companion
from equimorph.classify.make import best_run, make_companion
from equimorph.data.image_file import open_images
from equimorph.data.split_file import read_split
from equimorph.data.star_filters import SEEING
from equimorph.device import DEVICES, open_device
from equimorph.evaluation.predictions import model_and_seed
from equimorph.evaluation.summary import highlighted
from equimorph.io import copy_file, read_json, read_paths, run, sha256_of
from equimorph.models.trained import load_checkpoint


def main(argv: list[str] | None = None) -> None:
    """Choose a network by the validation set alone, measure it, and write both files."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--metrics", type=Path, required=True, help="metrics.json")
    parser.add_argument("--runs", type=Path, required=True, help="list of run.json, one a line")
    parser.add_argument("--models", type=Path, required=True, help="list of weights, one a line")
    parser.add_argument("--images", required=True, help="memory-mapped images (.npy)")
    parser.add_argument("--catalogue", required=True, help="position of each galaxy")
    parser.add_argument("--split", required=True, help="subset, index, label of each galaxy")
    parser.add_argument("--stars-removed", type=int, help="seed, if their field stars are removed")
    parser.add_argument("--star-filter", default=SEEING, help="what has removed them then")
    parser.add_argument("--credit", required=True, help="whom to thank for the images")
    parser.add_argument("--device", default="cpu", choices=DEVICES, help="where to compute")
    parser.add_argument("--threads", type=int, default=1, help="CPU threads")
    parser.add_argument("--output-model", required=True, help="a copy of the weights")
    parser.add_argument("--output-companion", required=True, help="what lies beside (.safetensors)")
    arguments = parser.parse_args(argv)

    torch.set_num_threads(arguments.threads)
    runs = {model_and_seed(path): read_json(path) for path in read_paths(arguments.runs)}
    chosen = best_run(highlighted(read_json(arguments.metrics))[0], runs)
    (path,) = [p for p in read_paths(arguments.models) if model_and_seed(p) == chosen]
    checkpoint = load_checkpoint(path)
    checkpoint.network.to(open_device(arguments.device))
    digest = sha256_of(path)
    companion = make_companion(
        checkpoint,
        digest,
        open_images(arguments.images),
        read_split(arguments.split),
        read_split(arguments.split, column="label"),
        pd.read_csv(arguments.catalogue),
        arguments.credit,
        arguments.stars_removed,
        arguments.star_filter,
    )
    save_companion(arguments.output_companion, companion)
    copy_file(path, arguments.output_model, digest)


if __name__ == "__main__":
    run(main)
