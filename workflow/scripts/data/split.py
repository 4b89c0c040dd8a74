"""Split a catalogue into train, validation and test, once for all models and seeds."""

import argparse
import hashlib
from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from equimorph.data.catalogue import read_catalogue
from equimorph.data.lookalikes import read_blank, read_lookalikes
from equimorph.data.split import (
    PROTOCOLS,
    check_no_leak,
    describe_split,
    effective_fractions,
    make_split,
)
from equimorph.data.split_file import PARTS, Split, split_csv
from equimorph.data.split_table import leaks, read_split_table, split_by_table
from equimorph.io import run, sha256_of, write_json, write_text


def parse_arguments(argv: Sequence[str] | None) -> argparse.Namespace:
    """Return the command line's arguments."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--catalogue", required=True, help="catalogue.csv of the data set")
    parser.add_argument("--lookalikes", required=True, help="pairs that are one image, CSV")
    parser.add_argument("--blank", required=True, help="images that show nothing, CSV")
    parser.add_argument("--protocol", default="clean", help=f"one of {', '.join(PROTOCOLS)}")
    parser.add_argument("--seed", required=True, type=int, help="seed of the random choice")
    for part in ("train", "validation", "test"):
        parser.add_argument(f"--{part}", required=True, type=float, help=f"fraction of {part}")
    parser.add_argument(
        "--radius-arcsec", type=float, default=67.0, help="closer galaxies stay on one side"
    )
    for part in ("train", "validation", "test"):
        parser.add_argument(f"--at-most-{part}", type=int, help="galaxies of each class it keeps")
    parser.add_argument("--folds", type=int, help="the test set is one of this many folds")
    parser.add_argument("--fold", type=int, help="which fold, counted from 0")
    parser.add_argument("--table", help="with the protocol table: subset and row, or h5_index, CSV")
    parser.add_argument("--origin", help="with the protocol table: whose split it is")
    parser.add_argument("--output-csv", required=True, help="subset, index, label of each galaxy")
    parser.add_argument("--output-json", required=True, help="hash, protocol and counts")
    return parser.parse_args(argv)


def drawn(
    arguments: argparse.Namespace,
    catalogue: pd.DataFrame,
    lookalikes: np.ndarray,
    blank: np.ndarray,
) -> tuple[Split, dict[str, Any]]:
    """Return a split that is drawn from a seed, and its description."""
    protocol = arguments.protocol
    fractions = {part: getattr(arguments, part) for part in ("train", "validation", "test")}
    given = {part: getattr(arguments, f"at_most_{part}") for part in fractions}
    at_most = {part: most for part, most in given.items() if most is not None}
    split = make_split(
        catalogue,
        protocol,
        fractions,
        arguments.seed,
        arguments.radius_arcsec,
        arguments.folds,
        arguments.fold,
        lookalikes,
        blank,
        at_most,
    )
    leaky = protocol != "clean"
    if not leaky:
        check_no_leak(split, catalogue, arguments.radius_arcsec, lookalikes)
    return split, {
        "leaky": leaky,
        "seed": arguments.seed,
        "fractions": effective_fractions(protocol, fractions, arguments.folds),
        "radius_arcsec": None if leaky else arguments.radius_arcsec,
        "folds": arguments.folds,
        "fold": arguments.fold,
        **({"at_most": at_most} if at_most else {}),
    }


def given(
    arguments: argparse.Namespace,
    catalogue: pd.DataFrame,
    lookalikes: np.ndarray,
    blank: np.ndarray,
) -> tuple[Split, dict[str, Any]]:
    """Return the split of a table, and its description with what leaks in it."""
    table = read_split_table(arguments.table)
    split, counts = split_by_table(catalogue, table, arguments.table)
    total = sum(len(split[part]) for part in PARTS)
    return split, {
        # Some test galaxies may have neighbours in training; that none are in it is no question.
        "leaky": False,
        "fractions": {part: len(split[part]) / total for part in PARTS},
        "radius_arcsec": arguments.radius_arcsec,
        "table": {"origin": arguments.origin, "sha256": sha256_of(arguments.table), **counts},
        "leaks": leaks(split, catalogue, arguments.radius_arcsec, lookalikes, blank),
    }


def main(argv: Sequence[str] | None = None) -> None:
    """Read a catalogue; write its split and a description of it."""
    arguments = parse_arguments(argv)
    catalogue = read_catalogue(arguments.catalogue)
    lookalikes = read_lookalikes(arguments.lookalikes, len(catalogue))
    blank = read_blank(arguments.blank, len(catalogue))
    make = given if arguments.protocol == "table" else drawn
    split, description = make(arguments, catalogue, lookalikes, blank)
    label = catalogue["label"].to_numpy()
    text = split_csv(split, label)
    write_text(arguments.output_csv, text)
    write_json(
        arguments.output_json,
        {
            "sha256": hashlib.sha256(text.encode()).hexdigest(),
            "protocol": arguments.protocol,
            **description,
            **describe_split(split, label),
        },
    )


if __name__ == "__main__":
    run(main)
