"""Fit temperatures on the validation images; measure calibration on the test images."""

import argparse
from pathlib import Path

import torch

from equimorph.analyses.calibration import calibration_measures
from equimorph.data.image_file import open_images
from equimorph.data.split_file import read_split
from equimorph.data.star_filters import SEEING
from equimorph.device import DEVICES, open_device
from equimorph.errors import InputError
from equimorph.evaluation.predictions import by_condition, model_and_seed
from equimorph.io import run, write_json
from equimorph.models.prediction import predict_logits
from equimorph.models.trained import load_checkpoint


def main(argv: list[str] | None = None) -> None:
    """Read one network's trainings and predictions; write its calibration."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--models", nargs="+", type=Path, required=True, help="…/seed-<s>/model.safetensors, each"
    )
    parser.add_argument(
        "--predictions", nargs="+", type=Path, required=True, help="…/seed-<s>.npz, each"
    )
    parser.add_argument("--images", required=True, help="memory-mapped images (.npy)")
    parser.add_argument("--split", required=True, help="subset, index, label of each galaxy")
    parser.add_argument("--stars-removed", type=int, help="seed, if their field stars are removed")
    parser.add_argument("--star-filter", default=SEEING, help="what has removed them then")
    parser.add_argument("--device", default="cpu", choices=DEVICES, help="where to compute")
    parser.add_argument("--threads", type=int, default=1, help="CPU threads")
    parser.add_argument("--output", required=True, help="calibration, JSON")
    arguments = parser.parse_args(argv)

    torch.set_num_threads(arguments.threads)
    device = open_device(arguments.device)
    index, label = (
        read_split(arguments.split, column=column)["validation"] for column in ("index", "label")
    )
    if not len(index):
        raise InputError(
            f"{arguments.split}: has no validation rows, on which temperatures are fitted."
        )
    images = open_images(arguments.images)[index]
    predicted = by_condition(arguments.predictions)["clean"]
    validation, test = [], []
    for path in arguments.models:
        _, seed = model_and_seed(path)
        checkpoint = load_checkpoint(path)
        inputs = checkpoint.prepare(
            images, stars_removed=arguments.stars_removed, star_filter=arguments.star_filter
        )
        logits = predict_logits(checkpoint.network.to(device), *inputs)
        validation.append((logits.cpu().numpy(), label))
        test.append((predicted[seed].logits, predicted[seed].label))
    measures = calibration_measures(validation, test, checkpoint.classes)
    name, _ = model_and_seed(arguments.models[0])
    write_json(
        arguments.output, {"model": name, "validation_images": len(index), **measures}, compact=True
    )


if __name__ == "__main__":
    run(main)
