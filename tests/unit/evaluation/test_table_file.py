"""Tables are written with six significant digits and no index."""

import numpy as np
import pandas as pd

from equimorph.evaluation.table_file import write_table


def test_digits_lines_and_missing_values(tmp_path):
    table = pd.DataFrame({"model": ["C4", "D4"], "mean": [0.123456789, np.nan], "n": [3, 4]})
    write_table(tmp_path / "new" / "table.csv", table)
    content = (tmp_path / "new" / "table.csv").read_bytes()
    assert content == b"model,mean,n\nC4,0.123457,3\nD4,,4\n"
