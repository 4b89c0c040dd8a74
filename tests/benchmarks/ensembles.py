"""What ensembles of a study's networks have right on its clean test images.

    python tests/benchmarks/ensembles.py results/galaxy10-48px D4 D4-pretrained

prints, for each network and for all of them together, the accuracies of single trainings and that
of the mean of their class probabilities. Predictions of single trainings are not published: the
study must have run in this folder.
"""

import argparse
from pathlib import Path

import numpy as np

from equimorph.evaluation.predictions import check_same_images, read_predictions
from equimorph.evaluation.probabilities import probabilities


def main() -> None:
    """Print a row per network and one of all."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("results", type=Path, help="folder of a study's results")
    parser.add_argument("models", nargs="+", help="names of its networks")
    arguments = parser.parse_args()

    everything, first = [], None
    for model in arguments.models:
        paths = sorted((arguments.results / "predictions" / model).glob("seed-*.npz"))
        if not paths:
            parser.error(f"{arguments.results}: no predictions of a network {model}")
        trainings = [read_predictions(path)["clean"] for path in paths]
        first = first or trainings[0]
        for one in trainings:
            check_same_images(first, one, f"model {model}")
        each = [probabilities(one.logits) for one in trainings]
        report(model, each, first.label)
        everything += each
    report("all", everything, first.label)


def report(name: str, each: list[np.ndarray], labels: np.ndarray) -> None:
    """Print the accuracies of single trainings (n, C) and of their mean."""
    single = [(one.argmax(axis=1) == labels).mean() for one in each]
    together = (np.mean(each, axis=0).argmax(axis=1) == labels).mean()
    alone = f"{min(single):.1%} to {max(single):.1%}, mean {np.mean(single):.1%}"
    print(f"{name}: {len(each)} trainings, each {alone}; together {together:.1%}")


if __name__ == "__main__":
    main()
