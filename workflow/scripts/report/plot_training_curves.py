"""Plot validation accuracy and training loss against the epoch."""

import argparse
from pathlib import Path

import pandas as pd

from equimorph.errors import InputError
from equimorph.evaluation.predictions import model_and_seed
from equimorph.io import read_json, read_paths, run
from equimorph.report.figures.curves import training_curves
from equimorph.report.figures.style import save


def main(argv: list[str] | None = None) -> None:
    """Read the histories of all trainings; write the training curves."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--metrics", type=Path, required=True, help="metrics.json")
    parser.add_argument(
        "--histories",
        type=Path,
        required=True,
        help="list of <model>/seed-<s>/history.csv of all models, one a line",
    )
    parser.add_argument("--output", type=Path, required=True, help="figure, SVG")
    arguments = parser.parse_args(argv)

    models = read_json(arguments.metrics)["models"]
    tables: dict[str, list[pd.DataFrame]] = {name: [] for name in models}
    for path in read_paths(arguments.histories):
        model, seed = model_and_seed(path)
        if model not in models:
            raise InputError(f"{path}: model {model} is not in the metrics: {', '.join(models)}.")
        group = models[model]["group"]
        tables[model].append(pd.read_csv(path).assign(model=model, seed=seed, group=group))
    history = pd.concat([table for by_seed in tables.values() for table in by_seed])
    save(training_curves(history), arguments.output)


if __name__ == "__main__":
    run(main)
