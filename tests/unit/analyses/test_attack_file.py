"""Stored attacks come back as they were."""

import numpy as np
import pytest

from equimorph.analyses.attack_file import (
    Attacked,
    read_attacked,
    read_chunk,
    write_attacked,
    write_chunk,
)
from equimorph.errors import InputError
from tests.unit.robustness.test_attacks import attacks


def test_one_networks_attacks(tmp_path):
    images = np.arange(2 * 3 * 4 * 4, dtype=np.uint8).reshape(2, 3, 4, 4)
    methods = {"exhaustion": attacks(2), "evolution": attacks(2, first=5)}
    stored = Attacked(np.array([3, 8]), np.array([1, 0]), images, methods)
    write_attacked(tmp_path / "D4.npz", stored)
    read = read_attacked(tmp_path / "D4.npz")
    for name in ("position", "label", "images"):
        np.testing.assert_array_equal(getattr(read, name), getattr(stored, name))
    assert list(read.by_method) == ["exhaustion", "evolution"]
    for method, own in methods.items():
        for name, values in own.arrays().items():
            np.testing.assert_array_equal(getattr(read.by_method[method], name), values)
    np.testing.assert_array_equal(read.rows([8]), [1])


def test_a_chunk_that_is_missing_or_damaged_is_none(tmp_path):
    path = tmp_path / "chunk.npz"
    assert read_chunk(path) is None
    write_chunk(path, attacks(3))
    np.testing.assert_array_equal(read_chunk(path).queries, attacks(3).queries)
    path.write_bytes(path.read_bytes()[:-20])
    assert read_chunk(path) is None


def test_another_file(tmp_path):
    (tmp_path / "x.npz").write_text("no archive")
    with pytest.raises(InputError, match=r"x\.npz: not a file of named arrays"):
        read_attacked(tmp_path / "x.npz")
