"""Tables of results as files."""

from pathlib import Path

import pandas as pd

from equimorph.io import atomic_path


def write_table(path: str | Path, table: pd.DataFrame) -> None:
    """Write a table as CSV, without its index, atomically.

    Six significant digits: more than any result has, and equal on machines that differ in the last.
    """
    with atomic_path(path) as temporary:
        table.to_csv(temporary, index=False, float_format="%.6g", lineterminator="\n")
