"""Score a recipe without the test set: k-fold over the training and validation images.

python tests/benchmarks/crossvalidate.py --preset images --model C4 --network '{"crop": 0.5}'
"""

import argparse
import copy
import json
import sys
from pathlib import Path

import numpy as np
import torch

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "workflow"))

from equimorph.data.image_file import open_images  # noqa: E402
from equimorph.data.split_file import read_split  # noqa: E402
from equimorph.data.tensors import network_input  # noqa: E402
from equimorph.models.initialisation import initialise  # noqa: E402
from equimorph.models.inputs import measured  # noqa: E402
from equimorph.models.registry import build  # noqa: E402
from equimorph.seeds import WEIGHTS, stream  # noqa: E402
from equimorph.study.models import resolve  # noqa: E402
from equimorph.study.recipes import recipe_settings  # noqa: E402
from equimorph.study.yaml_files import merged, read_yaml  # noqa: E402
from equimorph.training.loop import Labelled, train  # noqa: E402
from equimorph.training.recipe import read_recipe  # noqa: E402


def main() -> None:
    """Print the accuracy on each held-out fold, and over all of them."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--preset", help="overlay of config.yaml; its data must have been made")
    parser.add_argument("--model", required=True)
    parser.add_argument("--network", default="{}", help="changes of `network`, JSON")
    parser.add_argument("--train", default="{}", help="changes of `train`, JSON")
    parser.add_argument("--folds", type=int, default=5)
    parser.add_argument("--only", type=int, nargs=2, default=(0, None), help="from fold, to fold")
    parser.add_argument("--threads", type=int, default=1)
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)

    config = copy.deepcopy(read_yaml(ROOT / "config.yaml"))
    if arguments.preset:
        config = merged(config, read_yaml(ROOT / f"workflow/presets/{arguments.preset}.yaml"))
    config["network"].update(json.loads(arguments.network))
    config["train"].update(json.loads(arguments.train))
    specification = resolve(arguments.model, config["models"], config["network"])
    recipe = read_recipe(recipe_settings(config["train"], arguments.model))
    classes = len(config["data"]["classes"])
    source = config["data"]["source"]
    split = ROOT / f"data/{source}/split-clean.csv"
    rows, labels = (
        np.concatenate([read_split(split, column=column)[s] for s in ("train", "validation")])
        for column in ("index", "label")
    )
    whole = open_images(ROOT / f"work/{source}/images.npy")[rows]
    images = network_input(
        whole,
        specification["input_size"],
        specification["crop"],
        specification.get("antialias", True),
    )
    targets = torch.from_numpy(labels).long()

    fold_of = folds(labels, arguments.folds)
    best, last = [], []
    for fold in range(arguments.folds)[slice(*arguments.only)]:
        held, kept = np.flatnonzero(fold_of == fold), np.flatnonzero(fold_of != fold)
        network = build(specification, classes)
        initialise(network, stream(fold, WEIGHTS))
        training, validation = (
            Labelled(images[i], targets[i], measured(network, whole[i])) for i in (kept, held)
        )
        history = train(network, training, validation, recipe, fold)
        best.append(history.history[history.best_epoch - 1]["validation_accuracy"])
        last.append(np.mean([row["validation_accuracy"] for row in history.history[-3:]]))
        fitted = history.history[-1]["train_accuracy"]
        print(
            f"{arguments.model} fold {fold}: best epoch {best[-1]:.3f}, last three {last[-1]:.3f}, "
            f"training images {fitted:.3f}, {history.seconds:.0f} s",
            flush=True,
        )
    error = (
        np.mean(last) * (1 - np.mean(last)) / (len(labels) * len(last) / arguments.folds)
    ) ** 0.5
    print(
        f"{arguments.model}: best epoch {np.mean(best):.3f}, last three {np.mean(last):.3f}, "
        f"standard error from the number of images {error:.3f}"
    )


def folds(labels: np.ndarray, count: int) -> np.ndarray:
    """Return the fold of each image; each class is spread evenly and at random."""
    draw = np.random.default_rng(20)
    fold_of = np.empty(len(labels), dtype=int)
    for label in np.unique(labels):
        own = draw.permutation(np.flatnonzero(labels == label))
        fold_of[own] = (np.arange(len(own)) + label) % count
    return fold_of


if __name__ == "__main__":
    main()
