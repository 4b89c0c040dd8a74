"""Measure accuracy, macro-F1 and ECE of all networks along each sweep."""

import argparse
from dataclasses import asdict
from pathlib import Path

import pandas as pd

from equimorph.analyses.sweep_measures import sweep_measures, table
from equimorph.evaluation.predictions import by_condition, model_and_seed
from equimorph.evaluation.table_file import write_table
from equimorph.io import read_json, read_paths, run, write_json
from equimorph.study.sweeps import axis, levels, swept_key


def main(argv: list[str] | None = None) -> None:
    """Read the predictions of all levels; write curves, areas and their table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--predictions", type=Path, required=True, help="list of <model>/seed-<s>.npz, one a line"
    )
    parser.add_argument("--sweeps", type=Path, required=True, help="sweeps of the config, JSON")
    parser.add_argument("--reference", required=True, help="model that areas are compared with")
    parser.add_argument("--bootstrap", type=int, default=2000, help="resamples of images and seeds")
    parser.add_argument("--seed", type=int, default=0, help="seed of the resamples")
    parser.add_argument("--output", type=Path, required=True, help="curves and areas, JSON")
    parser.add_argument("--output-table", type=Path, required=True, help="curves, CSV")
    arguments = parser.parse_args(argv)

    paths: dict[str, list[Path]] = {}
    for path in read_paths(arguments.predictions):
        paths.setdefault(model_and_seed(path)[0], []).append(path)
    predicted = {name: by_condition(own) for name, own in paths.items()}
    measures = {}
    for name, sweep in read_json(arguments.sweeps).items():
        values = zip(sweep[swept_key(sweep)], levels(name, sweep), strict=True)
        measures[name] = {
            "axis": asdict(axis(sweep)),
            **sweep_measures(
                predicted,
                list(values),
                axis(sweep).logarithmic,
                arguments.reference,
                arguments.bootstrap,
                arguments.seed,
            ),
        }
    write_json(arguments.output, measures, compact=True)
    write_table(arguments.output_table, pd.DataFrame(table(measures)))


if __name__ == "__main__":
    run(main)
