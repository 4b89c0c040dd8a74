"""A split that somebody else has made, given as a table, and what leaks in it."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from equimorph.data.raw import ORIGIN_KEY
from equimorph.data.sky import SAME_POSITION_ARCSEC, pairs_within
from equimorph.data.split_file import PARTS, Split
from equimorph.errors import InputError

ROW = "row"  # of the raw file, counted from 0
# What others call the subsets.
SPELLINGS = {"valid": "validation", "val": "validation", "dev": "validation", "training": "train"}
ALLOWED = (*PARTS, "unused")


def read_split_table(path: str | Path) -> pd.DataFrame:
    """Read a table of a split.

    Args:
        path: CSV, also compressed (.gz, .xz), with the columns `subset` (train, validation, test or
            unused) and `row` of the raw file, or `h5_index`, the row in the file that the raw file
            was taken from; with both, h5_index counts. Other columns are not used.

    Returns:
        Columns `subset` and either `h5_index` or `row`, int64, each number once.

    Raises:
        InputError: the file is no such table.
    """
    try:
        table = pd.read_csv(path, skipinitialspace=True)
    except (OSError, ValueError, EOFError) as error:
        raise InputError(f"{path}: not a readable CSV table ({error}).") from error
    table.columns = [str(name).strip().lower() for name in table.columns]
    keys = [name for name in (ORIGIN_KEY, ROW) if name in table]
    if "subset" not in table or not keys:
        raise InputError(
            f"{path}: has the columns {', '.join(map(str, table))}; needed are subset, and row or "
            f"{ORIGIN_KEY}."
        )
    key = keys[0]
    number = pd.to_numeric(table[key], errors="coerce")
    wrong = ~(number % 1 == 0) | (number < 0) | number.duplicated()
    if wrong.any():
        row = int(wrong.to_numpy().argmax())
        raise InputError(
            f"{path}: column {key}, row {row}: '{table[key].iloc[row]}' is not allowed; allowed "
            "are integers from 0, each once."
        )
    subset = table["subset"].astype(str).str.strip().str.lower().replace(SPELLINGS)
    unknown = sorted(set(subset) - {*ALLOWED})
    if unknown:
        raise InputError(
            f"{path}: column subset: {unknown[0]!r} is not allowed; allowed are "
            f"{', '.join(ALLOWED)}."
        )
    return pd.DataFrame({key: number.astype(np.int64), "subset": subset})


def split_by_table(
    catalogue: pd.DataFrame, table: pd.DataFrame, path: str | Path
) -> tuple[Split, dict[str, int]]:
    """Split a catalogue as a table says, whatever leaks in it.

    Args:
        catalogue: the table that `read_catalogue` returns.
        table: what `read_split_table` returns.
        path: the table's name, for messages.

    Returns:
        The split, in which galaxies that the table does not name are `unused`; and `entries` of the
        table, `without_image`, those that the catalogue lacks, and `without_entry`, galaxies that
        the table does not name.

    Raises:
        InputError: the catalogue lacks the table's key or most of its entries, or a subset stays
            without a galaxy of some class.
    """
    key = str(table.columns[0])
    if key == ROW:
        rows = np.arange(len(catalogue))
    elif ORIGIN_KEY in catalogue:
        rows = catalogue[ORIGIN_KEY].to_numpy(np.int64)
    else:
        raise InputError(
            f"{path}: names galaxies by {ORIGIN_KEY}, which the raw file does not have; needed is "
            f"the key {ORIGIN_KEY} in it, or the column {ROW} in the table."
        )
    named = pd.Series(table["subset"].to_numpy(), index=table[key])
    without_image = int((~named.index.isin(rows)).sum())
    if without_image > len(named) / 2:
        raise InputError(
            f"{path}: {without_image} of {len(named)} entries are not in the raw file: it is a "
            "split of other galaxies."
        )
    subset = named.reindex(rows).fillna("unused").to_numpy()
    split = {part: np.flatnonzero(subset == part) for part in ALLOWED}
    split["quarantined"] = np.empty(0, np.int64)
    label = catalogue["label"].to_numpy()
    for part in PARTS:
        absent = np.setdiff1d(label, label[split[part]])
        if len(absent):
            raise InputError(
                f"{path}: class {absent[0]} has no galaxy in {part}; each subset needs at least "
                "one of each class."
            )
    return split, {
        "entries": len(named),
        "without_image": without_image,
        "without_entry": int((~np.isin(rows, named.index)).sum()),
    }


def leaks(
    split: Split,
    catalogue: pd.DataFrame,
    radius_arcsec: float,
    lookalikes: np.ndarray,
    blank: np.ndarray,
) -> dict[str, Any]:
    """Find the pairs that stand on two sides of a split, and the test galaxies among them.

    Args:
        split: row numbers of `train`, `validation` and `test`.
        catalogue: the table that `read_catalogue` returns; ra and dec are used.
        radius_arcsec: largest separation of two galaxies that are in one another's image.
        lookalikes: (P, 2) row numbers of pairs that are one image.
        blank: (B,) row numbers of images that show nothing.

    Returns:
        For `same_position`, `within_radius` and `lookalikes` the number of `pairs` and of those
        `across` two subsets; `test_rows`, ascending, test galaxies with a partner of any kind in
        another subset, and blank ones.
    """
    side = np.full(len(catalogue), -1)
    for number, part in enumerate(PARTS):
        side[split[part]] = number
    position = catalogue["ra"].to_numpy(), catalogue["dec"].to_numpy()
    near, separation = pairs_within(*position, radius_arcsec)
    found = {}
    in_test = [np.intersect1d(blank, split["test"])]
    for kind, pairs in (
        ("same_position", near[separation <= SAME_POSITION_ARCSEC]),
        ("within_radius", near),
        ("lookalikes", lookalikes),
    ):
        sides = side[pairs]
        across = pairs[(sides >= 0).all(axis=1) & (sides[:, 0] != sides[:, 1])]
        found[kind] = {"pairs": len(pairs), "across": len(across)}
        in_test.append(np.intersect1d(across, split["test"]))
    rows = np.unique(np.concatenate(in_test)).astype(int)
    return {**found, "test_rows": rows.tolist()}
