"""Attack one network by single pixels; a run that was stopped goes on where it was."""

import argparse
import json
import shutil
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch

from equimorph.analyses.attack_file import (
    METHODS,
    Attacked,
    read_chunk,
    write_attacked,
    write_chunk,
)
from equimorph.analyses.victims import attacked
from equimorph.data.image_file import open_images
from equimorph.data.split_file import read_split
from equimorph.data.star_filters import SEEING
from equimorph.device import DEVICES, open_device
from equimorph.errors import InputError
from equimorph.io import read_json, run
from equimorph.models.export import export
from equimorph.models.head import CircularMask
from equimorph.models.prediction import predict_logits
from equimorph.models.trained import load_checkpoint
from equimorph.progress import progress
from equimorph.provenance import digest
from equimorph.robustness.attacks import Attacks
from equimorph.robustness.one_pixel import (
    Evolution,
    Victims,
    evolve,
    exhaust,
    visible_pixels,
)
from equimorph.sources import local_modules

CHUNK = 4  # victims side by side, and between two files of an unfinished attack


def main(argv: list[str] | None = None) -> None:
    """Read a network and its victims; write the attack on each of them."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", required=True, help="weights (.safetensors)")
    parser.add_argument("--images", required=True, help="clean test images (.npy)")
    parser.add_argument("--split", required=True, help="subset, index, label of each galaxy")
    parser.add_argument("--victims", required=True, help="victims, JSON")
    parser.add_argument("--methods", nargs="+", choices=METHODS, required=True, help="which")
    parser.add_argument("--evolution", required=True, help="settings of the evolution, JSON")
    parser.add_argument("--seed", type=int, required=True, help="seed of the evolution")
    parser.add_argument("--stars-removed", type=int, help="seed, if their field stars are removed")
    parser.add_argument("--star-filter", default=SEEING, help="what has removed them then")
    parser.add_argument("--device", default="cpu", choices=DEVICES, help="where to compute")
    parser.add_argument("--threads", type=int, default=1, help="CPU threads")
    parser.add_argument("--resume", type=Path, required=True, help="folder of an unfinished attack")
    parser.add_argument("--output", required=True, help="attacks, npz")
    arguments = parser.parse_args(argv)

    torch.set_num_threads(arguments.threads)
    device = open_device(arguments.device)
    checkpoint = load_checkpoint(arguments.model)
    index = read_split(arguments.split)["test"]
    label = read_split(arguments.split, column="label")["test"]
    position = np.array(attacked(read_json(arguments.victims), checkpoint.metadata["model"]))
    images, *beside = checkpoint.prepare(
        open_images(arguments.images)[position],
        stars_removed=arguments.stars_removed,
        star_filter=arguments.star_filter,
    )
    victims = Victims(images, label[position], beside)
    network = export(checkpoint.network).to(device)
    answers = predict_logits(network, images, *beside).argmax(dim=1).cpu().numpy()
    if (answers != victims.labels).any():
        raise InputError(
            f"{arguments.victims}: {int((answers != victims.labels).sum())} victims are not right "
            f"with {arguments.model}; they must be chosen by its own predictions."
        )
    pixels = visible_pixels(_disc(checkpoint.network))
    settings = Evolution(**json.loads(arguments.evolution))
    job = {
        "position": position.tolist(),
        "evolution": arguments.evolution,
        "seed": arguments.seed,
        "chunk": CHUNK,
        "device": arguments.device,
        "threads": arguments.threads,
    }
    root = Path(__file__).parents[2]
    read = [arguments.model, arguments.images, __file__, *local_modules(__file__, root)]
    identity = digest(job, read)[:16]

    def attack(method: str, part: slice) -> Attacks:
        some = victims.part(part)
        if method == "exhaustion":
            return exhaust(network, some, pixels)
        rows = index[position][part].tolist()
        streams = [np.random.default_rng([arguments.seed, row]) for row in rows]
        return evolve(network, some, settings, streams)

    by_method = {}
    for method in arguments.methods:
        parts = []
        with progress(len(victims), f"{checkpoint.metadata['model']} {method}", "victims") as bar:
            for part in _chunks(len(victims)):
                path = arguments.resume / f"{identity}-{method}-{part.start}.npz"
                attacks = read_chunk(path)
                if attacks is None:
                    attacks = attack(method, part)
                    write_chunk(path, attacks)
                parts.append(attacks)
                bar.update(len(attacks.success))
        by_method[method] = Attacks.joined(parts)
    write_attacked(arguments.output, Attacked(position, victims.labels, images.numpy(), by_method))
    shutil.rmtree(arguments.resume, ignore_errors=True)


def _disc(network: torch.nn.Module) -> torch.Tensor:
    """Return the mask of a network, which the network inside an orbit's average has, too."""
    (mask,) = (part for part in network.modules() if isinstance(part, CircularMask))
    return mask.disc


def _chunks(count: int) -> Iterator[slice]:
    return (slice(start, start + CHUNK) for start in range(0, count, CHUNK))


if __name__ == "__main__":
    run(main)
