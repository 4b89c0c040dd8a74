"""Find equal and near-equal images, and blank ones, in a raw HDF5 file."""

import argparse
from collections.abc import Sequence

import numpy as np
import pandas as pd

from equimorph.data.lookalikes import COLUMNS, find_lookalikes, fingerprints, is_blank, shrink
from equimorph.data.raw import open_raw, read_column
from equimorph.data.slices import read_slices
from equimorph.io import run, write_text


def main(argv: Sequence[str] | None = None) -> None:
    """Parse the arguments, compare the images, write the pairs and the blank ones."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--raw", required=True, help="raw HDF5 file, verified")
    parser.add_argument("--similarity", required=True, type=float, help="of a pair at least")
    parser.add_argument("--output-pairs", required=True, help="pairs and their similarity, CSV")
    parser.add_argument("--output-blank", required=True, help="images that show nothing, CSV")
    arguments = parser.parse_args(argv)

    blank, cells = [], []
    with open_raw(arguments.raw) as file:
        label = read_column(file, "ans")
        for images in read_slices(file["images"], "look at"):
            blank.append(is_blank(images))
            cells.append(shrink(images))
    is_empty = np.concatenate(blank)
    kept = np.flatnonzero(~is_empty)
    pairs, similarity = find_lookalikes(
        fingerprints(np.concatenate(cells)[kept]), arguments.similarity
    )
    first, second = kept[pairs].T
    columns = (first, label[first], second, label[second], similarity.round(2))
    _write(arguments.output_pairs, dict(zip(COLUMNS, columns, strict=True)))
    empty = np.flatnonzero(is_empty)
    _write(arguments.output_blank, {"index": empty, "label": label[empty]})


def _write(path: str, columns: dict[str, np.ndarray]) -> None:
    write_text(path, pd.DataFrame(columns).to_csv(index=False, lineterminator="\n"))


if __name__ == "__main__":
    run(main)
