"""Score a recipe without the test set: repeated random hold-outs of training and validation images.

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

from snakemake.utils import update_config  # noqa: E402

from equimorph.config import read_yaml  # noqa: E402
from equimorph.data.split import read_split  # noqa: E402
from equimorph.data.tensors import network_input, open_images  # noqa: E402
from equimorph.models.registry import build, initialise  # noqa: E402
from equimorph.models.specification import resolve  # noqa: E402
from equimorph.seeds import WEIGHTS, stream  # noqa: E402
from equimorph.training.augment import Augmentation  # noqa: E402
from equimorph.training.loop import Labelled, Recipe, train  # noqa: E402


def main() -> None:
    """Print the best and the last validation accuracy of each repeat."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--preset", help="overlay of config.yaml; its data must have been made")
    parser.add_argument("--model", required=True)
    parser.add_argument("--network", default="{}", help="changes of `network`, JSON")
    parser.add_argument("--train", default="{}", help="changes of `train`, JSON")
    parser.add_argument("--repeats", type=int, default=2)
    parser.add_argument("--threads", type=int, default=1)
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)

    config = copy.deepcopy(read_yaml(ROOT / "config.yaml"))
    if arguments.preset:
        update_config(config, read_yaml(ROOT / f"workflow/presets/{arguments.preset}.yaml"))
    config["network"].update(json.loads(arguments.network))
    config["train"].update(json.loads(arguments.train))
    specification = resolve(arguments.model, config["models"], config["network"])
    apart = ("models", "seeds", "threads", "device", "augmentation")
    recipe = Recipe(
        augmentation=Augmentation(**config["train"]["augmentation"]),
        **{key: value for key, value in config["train"].items() if key not in apart},
    )
    classes = len(config["data"]["classes"])
    source = config["data"]["source"]
    split = ROOT / f"data/{source}/split-clean.csv"
    rows, labels = (
        np.concatenate([read_split(split, column=column)[s] for s in ("train", "validation")])
        for column in ("index", "label")
    )
    images = network_input(
        open_images(ROOT / f"work/{source}/images.npy")[rows],
        specification["input_size"],
        specification["crop"],
    )
    targets = torch.from_numpy(labels).long()

    for repeat in range(arguments.repeats):
        draw = np.random.default_rng([20, repeat])
        held = np.concatenate(
            [
                (own := draw.permutation(np.flatnonzero(labels == c)))[: len(own) // 5]
                for c in range(classes)
            ]
        )
        kept = np.setdiff1d(np.arange(len(labels)), held)
        network = build(specification, classes)
        initialise(network, stream(repeat, WEIGHTS))
        training, validation = (Labelled(images[i], targets[i]) for i in (kept, held))
        progress = train(network, training, validation, recipe, repeat)
        best = progress.history[progress.best_epoch - 1]["validation_accuracy"]
        last = np.mean([row["validation_accuracy"] for row in progress.history[-3:]])
        print(f"{arguments.model} repeat {repeat}: best epoch {best:.3f}, last three {last:.3f}")


if __name__ == "__main__":
    main()
