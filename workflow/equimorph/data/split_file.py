"""A split as a file: subset, row number and label of each galaxy."""

import csv
import io
from pathlib import Path

import numpy as np
import pandas as pd

from equimorph.errors import InputError

# The parts of a clean split in the order in which they are carved out.
PARTS = ("test", "validation", "train")
SUBSETS = (*PARTS, "quarantined", "unused")

Split = dict[str, np.ndarray]


def split_csv(split: Split, label: np.ndarray) -> str:
    """Return a split as CSV text: subset, index, label, sorted by subset and index.

    The SHA-256 of its bytes is the split's identity.
    """
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(("subset", "index", "label"))
    for subset in sorted(split):
        rows = np.sort(split[subset])
        writer.writerows(
            zip([subset] * len(rows), rows.tolist(), label[rows].tolist(), strict=True)
        )
    return text.getvalue()


def read_split(path: str | Path, column: str = "index") -> Split:
    """Read a split.

    Args:
        path: CSV file as `split_csv` makes it.
        column: `index` for the row numbers, `label` for the classes.

    Returns:
        For each of `SUBSETS` an int64 array, in ascending order of the row numbers; empty where the
        file has none.

    Raises:
        InputError: the file is not a split.
    """
    try:
        table = pd.read_csv(path, dtype={"subset": str, "index": np.int64, "label": np.int64})
    except (OSError, ValueError) as error:
        raise InputError(f"{path}: not a readable split ({error}).") from error
    if list(table) != ["subset", "index", "label"]:
        raise InputError(f"{path}: has columns {list(table)}; needed are subset, index, label.")
    unknown = sorted(set(table["subset"].fillna("")) - set(SUBSETS))
    if unknown:
        raise InputError(
            f"{path}: unknown subset {unknown[0]!r}; allowed are {', '.join(SUBSETS)}."
        )
    negative = (table[["index", "label"]] < 0).any(axis=1)
    if negative.any():
        row = int(negative.to_numpy().argmax())
        raise InputError(f"{path}: row {row} has a negative index or label; allowed are 0 and up.")
    table = table.sort_values(["subset", "index"], kind="stable")
    return {s: table.loc[table["subset"] == s, column].to_numpy(np.int64) for s in SUBSETS}
