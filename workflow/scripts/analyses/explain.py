"""Explain one network: Grad-CAM of test images under every condition, and its feature maps."""

import argparse
from pathlib import Path
from typing import Any

import numpy as np
import torch

from equimorph.analyses.array_file import write_arrays
from equimorph.data.image_file import open_images
from equimorph.data.split_file import read_split
from equimorph.data.star_filters import SEEING
from equimorph.device import DEVICES, open_device
from equimorph.io import run
from equimorph.models.feature_maps import feature_maps
from equimorph.models.grad_cam import grad_cam
from equimorph.models.prediction import predict_logits
from equimorph.models.trained import Checkpoint, load_checkpoint


def main(argv: list[str] | None = None) -> None:
    """Read a network and test images; write maps, predictions and how well the maps turn."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", required=True, help="weights (.safetensors)")
    parser.add_argument("--split", required=True, help="subset, index, label of each galaxy")
    parser.add_argument(
        "--conditions", nargs="+", type=Path, required=True, help="<condition>.npy, each"
    )
    parser.add_argument("--images", type=int, required=True, help="how many test images")
    parser.add_argument("--stars-removed", type=int, help="seed, if their field stars are removed")
    parser.add_argument("--star-filter", default=SEEING, help="what has removed them then")
    parser.add_argument("--device", default="cpu", choices=DEVICES, help="where to compute")
    parser.add_argument("--threads", type=int, default=1, help="CPU threads")
    parser.add_argument("--output", required=True, help="maps, npz")
    arguments = parser.parse_args(argv)

    torch.set_num_threads(arguments.threads)
    device = open_device(arguments.device)
    checkpoint = load_checkpoint(arguments.model)
    checkpoint.network.to(device)
    label = read_split(arguments.split, column="label")["test"]
    position = one_of_each(label, arguments.images)
    labels = torch.tensor(label[position], device=device)

    def prepared(path: Path) -> list[torch.Tensor]:
        inputs = checkpoint.prepare(
            open_images(path)[position],
            stars_removed=arguments.stars_removed,
            star_filter=arguments.star_filter,
        )
        return [each.to(device) for each in inputs]

    names, images, maps, predicted = [], [], [], []
    for path in arguments.conditions:
        inputs = prepared(path)
        names.append(path.stem)
        images.append(inputs[0].cpu().numpy())
        maps.append(grad_cam(checkpoint.network, labels, *inputs).cpu().numpy())
        predicted.append(predict_logits(checkpoint.network, *inputs).argmax(1).cpu().numpy())
    first = prepared(arguments.conditions[0])
    inside = feature_maps(checkpoint.network, first[0][0], [each[:1] for each in first[1:]])
    features: dict[str, Any] = {
        f"features/{place}": each.cpu().numpy() for place, each in inside.items()
    }
    write_arrays(
        arguments.output,
        {
            "position": position,
            "label": label[position],
            "conditions": np.array(names),
            "images": np.stack(images),
            "maps": np.stack(maps).astype(np.float16),
            "predicted": np.stack(predicted),
            "turned_error": turned_error(checkpoint, labels, *first),
            **features,
        },
    )


def one_of_each(label: np.ndarray, at_most: int) -> np.ndarray:
    """Return positions of test images, one of each class in turn, the first ones of each."""
    order = np.argsort(label, kind="stable")
    starts = np.searchsorted(label[order], label[order])
    turn = np.empty(len(label), int)
    turn[order] = np.arange(len(label)) - starts
    return np.lexsort((label, turn))[:at_most]


def turned_error(
    checkpoint: Checkpoint, labels: torch.Tensor, images: torch.Tensor, *beside: torch.Tensor
) -> float:
    """Return the root mean square change of the maps under quarter turns of the images."""
    maps = grad_cam(checkpoint.network, labels, images, *beside)
    changes = [
        grad_cam(checkpoint.network, labels, images.rot90(turns, (2, 3)), *beside)
        - maps.rot90(turns, (1, 2))
        for turns in (1, 2, 3)
    ]
    return float(torch.stack(changes).square().mean().sqrt())


if __name__ == "__main__":
    run(main)
