"""Tests of the file that holds a split."""

import numpy as np
import pytest

from equimorph.data.split_file import SUBSETS, read_split, split_csv
from equimorph.errors import InputError


def test_read_split_gives_back_indices_and_labels(tmp_path):
    label = np.repeat([0, 1], [30, 20])
    rows = np.random.default_rng(3).permutation(50)
    parts = dict(zip(SUBSETS, np.split(rows, [10, 20, 40, 45]), strict=True))
    split = {subset: np.sort(part) for subset, part in parts.items()}
    path = tmp_path / "split.csv"
    path.write_text(split_csv(split, label))
    rows, labels = read_split(path), read_split(path, column="label")
    assert set(rows) == set(SUBSETS)
    for subset in SUBSETS:
        assert np.array_equal(rows[subset], split[subset])
        assert np.array_equal(labels[subset], label[split[subset]])
    lines = path.read_text().splitlines()[1:]
    keys = [(line.split(",")[0], int(line.split(",")[1])) for line in lines]
    assert keys == sorted(keys)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("subset,index\ntest,1\n", "needed are subset, index, label"),
        ("subset,index,label\nholdout,1,0\n", "unknown subset 'holdout'"),
        ("subset,index,label\ntest,one,0\n", "not a readable split"),
        ("", "not a readable split"),
    ],
)
def test_read_split_refuses_other_files(tmp_path, text, message):
    path = tmp_path / "split.csv"
    path.write_text(text)
    with pytest.raises(InputError, match=message):
        read_split(path)
