"""The columns of a raw file beside its images, as a table."""

import csv
import math
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from equimorph.data.raw import open_raw, read_column
from equimorph.errors import InputError
from equimorph.io import atomic_path

CATALOGUE_COLUMNS = ("index", "label", "class_name", "ra", "dec", "redshift", "pxscale")


def write_catalogue(raw: str | Path, catalogue: str | Path, class_names: Sequence[str]) -> None:
    """Write a row per image: index, label, class_name, ra, dec, redshift, pxscale.

    Args:
        raw: raw HDF5 file, verified.
        catalogue: CSV file to write; an unknown number is an empty cell.
        class_names: one name per label.

    Raises:
        InputError: the raw file cannot be read, or a label has no name.
    """
    with open_raw(raw) as file:
        labels = read_column(file, "ans")
        numbers = [
            read_column(file, key).astype(np.float64).tolist() for key in CATALOGUE_COLUMNS[3:]
        ]
    if labels.max(initial=0) >= len(class_names):
        raise InputError(
            f"{raw}: key 'ans': label {labels.max()} has no name; the {len(class_names)} class "
            f"names are {list(class_names)}."
        )
    with (
        atomic_path(catalogue) as temporary,
        open(temporary, "w", encoding="utf-8", newline="") as table,
    ):
        writer = csv.writer(table, lineterminator="\n")
        writer.writerow(CATALOGUE_COLUMNS)
        for index, (label, *values) in enumerate(zip(labels.tolist(), *numbers, strict=True)):
            cells = ("" if math.isnan(value) else value for value in values)
            writer.writerow((index, label, class_names[label], *cells))
