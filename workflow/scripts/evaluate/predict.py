"""Predict every test image under every condition with one trained model; store the logits."""

import argparse
from pathlib import Path

import torch

from equimorph.data.image_file import open_images
from equimorph.data.split_file import read_split
from equimorph.data.star_filters import SEEING
from equimorph.device import DEVICES, open_device
from equimorph.errors import InputError
from equimorph.evaluation.predictions import TURNS, write_predictions
from equimorph.io import run
from equimorph.models.orbit import TurnAverage
from equimorph.models.prediction import predict_logits
from equimorph.models.trained import load_checkpoint


def main(argv: list[str] | None = None) -> None:
    """Read a network and the test images; write the logits of each condition."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", required=True, help="weights (.safetensors)")
    parser.add_argument("--split", required=True, help="subset, index, label of each galaxy")
    parser.add_argument(
        "--conditions", required=True, nargs="+", help="test images (.npy), one per condition"
    )
    parser.add_argument(
        "--turns", type=float, nargs="+", help="angles, over which clean logits are averaged, too"
    )
    parser.add_argument("--stars-removed", type=int, help="seed, if their field stars are removed")
    parser.add_argument("--star-filter", default=SEEING, help="what has removed them then")
    parser.add_argument("--device", default="cpu", choices=DEVICES, help="where to compute")
    parser.add_argument("--threads", type=int, default=1, help="CPU threads")
    parser.add_argument("--output", required=True, help="logits under every condition (.npz)")
    arguments = parser.parse_args(argv)

    torch.set_num_threads(arguments.threads)
    device = open_device(arguments.device)
    checkpoint = load_checkpoint(arguments.model)
    checkpoint.network.to(device)
    index = read_split(arguments.split)["test"]
    label = read_split(arguments.split, column="label")["test"]
    logits = {}
    for path in map(Path, arguments.conditions):
        images = open_images(path)
        if len(images) != len(index):
            raise InputError(f"{path}: holds {len(images)} images; the test set has {len(index)}.")
        inputs = checkpoint.prepare(
            images, stars_removed=arguments.stars_removed, star_filter=arguments.star_filter
        )
        predicted = predict_logits(checkpoint.network, *inputs)
        logits[path.stem] = predicted.cpu().numpy()
        if path.stem == "clean" and arguments.turns:
            turning = TurnAverage(checkpoint.network, arguments.turns)
            logits[TURNS] = predict_logits(turning, *inputs).cpu().numpy()
    write_predictions(arguments.output, index, label, logits)


if __name__ == "__main__":
    run(main)
