"""Gather the calibration of all networks; write the numbers and their table."""

import argparse
from pathlib import Path

import pandas as pd

from equimorph.evaluation.table_file import write_table
from equimorph.io import read_json, run, write_json

_SHOWN = ("ece", "classwise_ece", "brier", "nll")


def main(argv: list[str] | None = None) -> None:
    """Read the calibration of each network; write one file and one table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--calibrations", nargs="+", type=Path, required=True, help="JSON, each")
    parser.add_argument("--output", type=Path, required=True, help="calibration of all, JSON")
    parser.add_argument("--output-table", type=Path, required=True, help="the same, CSV")
    arguments = parser.parse_args(argv)

    networks = {one.pop("model"): one for one in map(read_json, arguments.calibrations)}
    write_json(arguments.output, {"networks": networks}, compact=True)
    rows = [
        {
            "model": name,
            "temperature": one["temperature"]["mean"],
            "when": when,
            **{metric: one[when][metric]["mean"] for metric in _SHOWN},
            **{f"error of {label}": error for label, error in one[when]["classwise"].items()},
        }
        for name, one in networks.items()
        for when in ("before", "after")
    ]
    write_table(arguments.output_table, pd.DataFrame(rows))


if __name__ == "__main__":
    run(main)
