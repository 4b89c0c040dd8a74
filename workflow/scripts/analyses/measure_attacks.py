"""Count how often one pixel changes a network's answer; write the numbers and their table."""

import argparse
from pathlib import Path

import pandas as pd

from equimorph.analyses.attack_file import read_attacked
from equimorph.analyses.attack_measures import attack_measures, table
from equimorph.evaluation.table_file import write_table
from equimorph.io import read_json, run, write_json


def main(argv: list[str] | None = None) -> None:
    """Read the attacks on all networks; write rates, comparisons and trend."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--attacks", nargs="+", type=Path, required=True, help="<model>.npz, each")
    parser.add_argument("--victims", required=True, help="victims, JSON")
    parser.add_argument("--metrics", required=True, help="metrics.json")
    parser.add_argument("--output", required=True, help="rates, comparisons and trend, JSON")
    parser.add_argument("--output-table", required=True, help="rates, CSV")
    arguments = parser.parse_args(argv)

    metrics = read_json(arguments.metrics)
    measures = attack_measures(
        {path.stem: read_attacked(path) for path in arguments.attacks},
        read_json(arguments.victims),
        # As the report's other trend: variants of a group's network are none of it.
        {
            name: model["group_order"] if name == model["group"] else None
            for name, model in metrics["models"].items()
        },
        metrics["reference"],
        len(metrics["data"]["classes"]),
        metrics["bootstrap"]["draws"],
        metrics["bootstrap"]["seed"],
    )
    write_json(arguments.output, measures, compact=True)
    write_table(arguments.output_table, pd.DataFrame(table(measures)))


if __name__ == "__main__":
    run(main)
