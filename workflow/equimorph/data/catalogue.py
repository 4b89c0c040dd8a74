"""The columns of a raw file beside its images, as a table."""

import csv
import math
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from equimorph.data.positions import SKY_LIMITS
from equimorph.data.raw import ORIGIN_KEY, RAW_KEYS, open_raw, read_column
from equimorph.errors import InputError
from equimorph.io import atomic_path

NUMBERS = RAW_KEYS[2:]  # ra, dec, redshift, pxscale
COLUMNS = ("index", "label", "class_name", *NUMBERS)


def write_catalogue(raw: str | Path, catalogue: str | Path, class_names: Sequence[str]) -> None:
    """Write a row per image: index, label, class_name, ra, dec, redshift, pxscale.

    Where the raw file has it, `h5_index` follows, the image's row in another file.

    Args:
        raw: raw HDF5 file, verified.
        catalogue: CSV file to write; an unknown number is an empty cell.
        class_names: one name per label.

    Raises:
        InputError: the raw file cannot be read, or a label has no name.
    """
    with open_raw(raw) as file:
        labels = read_column(file, "ans")
        numbers = [read_column(file, key).astype(np.float64).tolist() for key in NUMBERS]
        origin = [read_column(file, ORIGIN_KEY).tolist()] if ORIGIN_KEY in file else []
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
        writer.writerow((*COLUMNS, *([ORIGIN_KEY] if origin else [])))
        columns = zip(labels.tolist(), *numbers, *origin, strict=True)
        for index, (label, *values) in enumerate(columns):
            cells = ("" if math.isnan(value) else value for value in values)
            writer.writerow((index, label, class_names[label], *cells))


def read_catalogue(path: str | Path) -> pd.DataFrame:
    """Read and check a catalogue.

    Args:
        path: CSV with one row per image: index (0, 1, … in order), label, class_name, ra and dec in
            degrees, redshift, pxscale; an empty cell is an unknown number. Optional: h5_index.

    Returns:
        The table; index and label are integers, the numbers floats with NaN where unknown.

    Raises:
        InputError: a column is missing or a value is not allowed; the message names the row.
    """
    try:
        table = pd.read_csv(path, dtype={"class_name": str}, keep_default_na=False, na_values=[""])
    except (OSError, ValueError) as error:
        raise InputError(f"{path}: not a readable CSV table ({error}).") from error
    missing = [name for name in COLUMNS if name not in table]
    if missing:
        raise InputError(
            f"{path}: no column {', '.join(missing)}; needed are {', '.join(COLUMNS)}."
        )
    if table.empty:
        raise InputError(f"{path}: has no rows; one per image is needed.")
    for name in NUMBERS:
        _refuse(
            path,
            name,
            table,
            pd.to_numeric(table[name], errors="coerce").isna() & table[name].notna(),
            "a number or an empty cell",
        )
        table[name] = table[name].astype(np.float64)
    label = pd.to_numeric(table["label"], errors="coerce")
    _refuse(path, "label", table, ~(label % 1 == 0) | (label < 0), "an integer from 0 up")
    order = pd.to_numeric(table["index"], errors="coerce") == np.arange(len(table))
    _refuse(path, "index", table, ~order, "the row's number, counted from 0")
    for name, (lowest, highest) in SKY_LIMITS.items():
        outside = ~table[name].fillna(0).between(lowest, highest)
        _refuse(path, name, table, outside, f"{lowest:g} to {highest:g} degrees")
    half = table["ra"].isna() != table["dec"].isna()
    _refuse(path, "ra", table, half, "known where dec is known, and only there")
    table = table.astype({"index": np.int64, "label": np.int64})
    first_name = table.groupby("label")["class_name"].transform("first")
    mixed = table["class_name"].isna() | (table["class_name"] != first_name)
    _refuse(path, "class_name", table, mixed, "one name per label")
    return table


def _refuse(
    path: str | Path, column: str, table: pd.DataFrame, wrong: pd.Series, allowed: str
) -> None:
    if wrong.any():
        row = int(wrong.to_numpy().argmax())
        raise InputError(
            f"{path}: column {column}, row {row}: '{table[column].iloc[row]}' is not allowed "
            f"({int(wrong.sum())} such rows); allowed is {allowed}."
        )
