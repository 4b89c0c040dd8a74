"""Embed the test images with one network: clean, under every condition, turned, and attacked."""

import argparse
from pathlib import Path

import numpy as np
import torch

from equimorph.analyses.array_file import write_arrays
from equimorph.analyses.attack_file import read_attacked
from equimorph.analyses.latent import distances, flat_map, nearest, turn_scatter
from equimorph.data.image_file import open_images
from equimorph.data.split_file import read_split
from equimorph.data.star_filters import SEEING
from equimorph.device import DEVICES, open_device
from equimorph.evaluation.equivariance import rotate
from equimorph.evaluation.probabilities import probabilities
from equimorph.io import run
from equimorph.models.embedding import predict_embeddings
from equimorph.models.trained import load_checkpoint

TURNED = 100  # test images whose turns are embedded
ANGLES = range(0, 360, 30)  # degrees


def main(argv: list[str] | None = None) -> None:
    """Read a network and the test images; write embeddings, maps and distances."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", required=True, help="weights (.safetensors)")
    parser.add_argument("--split", required=True, help="subset, index, label of each galaxy")
    parser.add_argument(
        "--conditions", nargs="+", type=Path, required=True, help="<condition>.npy, each; clean too"
    )
    parser.add_argument("--attacks", type=Path, help="attacks on the network (.npz), if any")
    parser.add_argument("--methods", nargs="+", required=True, help="maps to make")
    parser.add_argument(
        "--seed", type=int, required=True, help="seed of the maps, and of the turned images"
    )
    parser.add_argument("--stars-removed", type=int, help="seed, if their field stars are removed")
    parser.add_argument("--star-filter", default=SEEING, help="what has removed them then")
    parser.add_argument("--device", default="cpu", choices=DEVICES, help="where to compute")
    parser.add_argument("--threads", type=int, default=1, help="CPU threads")
    parser.add_argument("--output", required=True, help="embeddings, maps and distances, npz")
    arguments = parser.parse_args(argv)

    torch.set_num_threads(arguments.threads)
    device = open_device(arguments.device)
    checkpoint = load_checkpoint(arguments.model)
    network = checkpoint.network.to(device)
    split, label = (read_split(arguments.split, column=c)["test"] for c in ("index", "label"))

    def prepared(path: Path) -> tuple[torch.Tensor, ...]:
        return checkpoint.prepare(
            open_images(path),
            stars_removed=arguments.stars_removed,
            star_filter=arguments.star_filter,
        )

    def embedded(*inputs: torch.Tensor) -> tuple[np.ndarray, np.ndarray]:
        logits, embeddings = predict_embeddings(network, *inputs)
        return logits.cpu().numpy(), embeddings.cpu().numpy()

    paths = {path.stem: path for path in arguments.conditions}
    inputs = prepared(paths.pop("clean"))
    logits, clean = embedded(*inputs)
    moved, wrong = {}, {}
    for name, path in paths.items():
        answers, degraded = embedded(*prepared(path))
        moved[name] = distances(clean, degraded)
        wrong[name] = answers.argmax(axis=1) != label
    attacked = {}
    if arguments.attacks is not None:
        found = read_attacked(arguments.attacks)
        best = next(iter(found.by_method.values()))
        changed = torch.from_numpy(best.perturbed(found.images.astype(np.float32)))
        _, moved_by_pixel = embedded(changed, *(each[found.position] for each in inputs[1:]))
        unit_distances = distances(clean[found.position], moved_by_pixel, clean)
        attacked = {"attacked": unit_distances.astype(np.float32), "fooled": best.success}
    # Drawn, since the split is ordered by class.
    drawn = np.random.default_rng(arguments.seed).permutation(len(label))[:TURNED]
    some = [each[np.sort(drawn)] for each in inputs]
    turned = [embedded(rotate(some[0], angle), *some[1:])[1] for angle in ANGLES]
    probability = probabilities(logits)
    write_arrays(
        arguments.output,
        {
            "index": split,
            "label": label,
            "predicted": probability.argmax(axis=1),
            "confidence": probability.max(axis=1).astype(np.float32),
            "embeddings": clean.astype(np.float16),
            "neighbours": nearest(clean).astype(np.int32),
            "turn_scatter": turn_scatter(np.stack(turned), clean).astype(np.float32),
            "conditions": np.array(list(moved)),
            "distances": np.array(list(moved.values()), np.float32).reshape(len(moved), len(label)),
            "wrong": np.array(list(wrong.values()), bool).reshape(len(moved), len(label)),
            **attacked,
            "methods": np.array(arguments.methods),
            "maps": np.stack(
                [flat_map(clean, method, arguments.seed) for method in arguments.methods]
            ).astype(np.float32),
        },
    )


if __name__ == "__main__":
    run(main)
