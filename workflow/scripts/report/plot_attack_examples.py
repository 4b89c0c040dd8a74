"""Show attacked galaxies of the best equivariant network and the reference, the pixel marked."""

import argparse
from pathlib import Path
from typing import Any

import numpy as np

from equimorph.analyses.attack_file import Attacked, read_attacked
from equimorph.io import read_json, run
from equimorph.report.figures.attack import attack_examples
from equimorph.report.figures.style import save
from equimorph.report.shown import shown

_SHOWN = 6


def main(argv: list[str] | None = None) -> None:
    """Read the attacks; write the figure."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--attacks", nargs="+", type=Path, required=True, help="<model>.npz, each")
    parser.add_argument("--metrics", type=Path, required=True, help="metrics.json")
    parser.add_argument("--output", type=Path, required=True, help="figure, SVG")
    arguments = parser.parse_args(argv)

    metrics = read_json(arguments.metrics)
    by_model = {path.stem: path for path in arguments.attacks}
    rows = {name: strongest(read_attacked(by_model[name])) for name in shown(metrics, by_model)}
    save(attack_examples(rows, metrics["data"]["classes"]), arguments.output)


def strongest(attacked: Attacked) -> list[dict[str, Any]]:
    """Return the victims that the first method hurts most, successes first."""
    attacks = next(iter(attacked.by_method.values()))
    order = np.lexsort((attacks.probability, ~attacks.success))[:_SHOWN]
    images = attacks.perturbed(attacked.images).transpose(0, 2, 3, 1)
    return [
        {
            "image": images[number],
            "row": attacks.row[number],
            "column": attacks.column[number],
            "success": attacks.success[number],
            "label": attacked.label[number],
            "predicted": attacks.predicted[number],
            "probability": attacks.probability[number],
        }
        for number in order
    ]


if __name__ == "__main__":
    run(main)
