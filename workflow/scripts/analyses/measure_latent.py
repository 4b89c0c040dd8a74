"""Measure the latent spaces of all networks: neighbours, distances, the scatter of turns."""

import argparse
from pathlib import Path

from equimorph.analyses.array_file import read_arrays
from equimorph.analyses.latent_measures import latent_measures
from equimorph.io import read_json, run, write_json


def main(argv: list[str] | None = None) -> None:
    """Read the embeddings of all networks; write their measures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--embeddings", nargs="+", type=Path, required=True, help="<model>.npz, each"
    )
    parser.add_argument("--metrics", type=Path, required=True, help="metrics.json")
    parser.add_argument("--output", type=Path, required=True, help="measures, JSON")
    arguments = parser.parse_args(argv)

    stored = {path.stem: read_arrays(path) for path in arguments.embeddings}
    bootstrap = read_json(arguments.metrics)["bootstrap"]
    measures = latent_measures(stored, bootstrap["draws"], bootstrap["seed"])
    write_json(arguments.output, measures, compact=True)


if __name__ == "__main__":
    run(main)
