"""Gather the measures of all models, compare them on the same images, and write the tables."""

import argparse
from pathlib import Path

from equimorph.evaluation.predictions import by_condition, model_and_seed
from equimorph.evaluation.summary import study_metrics
from equimorph.evaluation.table_file import write_table
from equimorph.evaluation.tables import tables
from equimorph.io import read_json, read_paths, run, write_json
from equimorph.provenance import stamp


def main(argv: list[str] | None = None) -> None:
    """Read all measures and predictions; write metrics.json and three tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--measures",
        nargs="+",
        type=Path,
        required=True,
        help="one JSON per model, in the order in which to show models",
    )
    parser.add_argument(
        "--predictions",
        type=Path,
        required=True,
        help="list of <model>/seed-<s>.npz of all models, one a line",
    )
    parser.add_argument("--split-json", type=Path, required=True, help="the split's description")
    parser.add_argument("--verified-json", type=Path, required=True, help="the raw file's facts")
    parser.add_argument("--source", required=True, help="data source, such as simulated")
    parser.add_argument("--study", required=True, help="name of the study")
    parser.add_argument(
        "--reference", help="model that all others are compared with; left out: no comparisons"
    )
    parser.add_argument("--output", type=Path, required=True, help="metrics.json")
    parser.add_argument(
        "--tables-dir",
        type=Path,
        required=True,
        help="folder for accuracy.csv, per_class.csv and comparisons.csv",
    )
    arguments = parser.parse_args(argv)

    measures = {record["model"]: record for record in map(read_json, arguments.measures)}
    stored = read_paths(arguments.predictions)
    predictions = {
        name: by_condition([path for path in stored if model_and_seed(path)[0] == name])
        for name in (measures if arguments.reference else ())
    }
    split, verified = read_json(arguments.split_json), read_json(arguments.verified_json)
    metrics = study_metrics(measures, predictions, split, verified, arguments.reference)
    metrics["data"] = {"source": arguments.source, **metrics["data"]}
    metrics = {"study": arguments.study, **metrics, **stamp("cpu", threads=1)}
    write_json(arguments.output, metrics, compact=True)
    for name, table in tables(metrics).items():
        write_table(arguments.tables_dir / f"{name}.csv", table)


if __name__ == "__main__":
    run(main)
