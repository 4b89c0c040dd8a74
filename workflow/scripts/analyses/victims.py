"""Choose the test images that networks are attacked on."""

import argparse
from pathlib import Path

from equimorph.analyses.victims import choose_victims
from equimorph.evaluation.predictions import check_same_images, model_and_seed, read_predictions
from equimorph.io import run, write_json


def main(argv: list[str] | None = None) -> None:
    """Read the predictions of all networks; write the victims."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--predictions", nargs="+", type=Path, required=True, help="<model>/seed-<s>.npz, one each"
    )
    parser.add_argument("--at-most", type=int, required=True, help="victims of each set")
    parser.add_argument("--seed", type=int, required=True, help="seed of their choice")
    parser.add_argument("--output", type=Path, required=True, help="victims, JSON")
    arguments = parser.parse_args(argv)

    names, seeds = zip(*map(model_and_seed, arguments.predictions), strict=True)
    predicted = {
        name: read_predictions(path)["clean"]
        for name, path in zip(names, arguments.predictions, strict=True)
    }
    first = next(iter(predicted.values()))
    for name, one in predicted.items():
        check_same_images(first, one, f"model {name}")
    right = {name: one.logits.argmax(axis=1) == one.label for name, one in predicted.items()}
    victims = choose_victims(right, arguments.at_most, arguments.seed)
    write_json(arguments.output, {"training_seed": seeds[0], **victims})


if __name__ == "__main__":
    run(main)
