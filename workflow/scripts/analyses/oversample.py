"""Write a copy of a raw file whose small classes are filled up with changed training images."""

import argparse
from pathlib import Path

from equimorph.analyses.data_sets import oversampled, read_raw, write_set
from equimorph.data.split_file import read_split
from equimorph.evaluation.table_file import write_table
from equimorph.io import read_json, run
from equimorph.training.augment import Augmentation


def main(argv: list[str] | None = None) -> None:
    """Read a data set and its split; write the larger one and the split of that."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--raw", required=True, help="raw HDF5 file")
    parser.add_argument("--split", required=True, help="subset, index, label of each galaxy")
    parser.add_argument("--augmentation", type=Path, required=True, help="its settings, JSON")
    parser.add_argument("--seed", type=int, required=True, help="seed of what is drawn")
    parser.add_argument("--output", required=True, help="HDF5 file to write")
    parser.add_argument("--output-split", required=True, help="row, subset, copy_of; CSV")
    arguments = parser.parse_args(argv)

    augmentation = Augmentation(**read_json(arguments.augmentation))
    raw, split = oversampled(
        read_raw(arguments.raw), read_split(arguments.split), augmentation, arguments.seed
    )
    write_table(arguments.output_split, split)
    write_set(arguments.output, raw, arguments.raw)


if __name__ == "__main__":
    run(main)
