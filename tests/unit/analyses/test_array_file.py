"""Named arrays come back as they were written; other files are refused."""

import numpy as np
import pytest

from equimorph.analyses.array_file import read_arrays, write_arrays
from equimorph.errors import InputError


def test_arrays_come_back(tmp_path):
    arrays = {"a/b": np.arange(3, dtype=np.int16), "names": np.array(["x", "yz"])}
    write_arrays(tmp_path / "new" / "file.npz", arrays)
    found = read_arrays(tmp_path / "new" / "file.npz")
    assert found.keys() == arrays.keys()
    for name, values in arrays.items():
        np.testing.assert_array_equal(found[name], values)
        assert found[name].dtype == values.dtype


@pytest.mark.parametrize("content", [b"", b"no archive", b"PK\x03\x04cut short"])
def test_another_file_is_refused(tmp_path, content):
    (tmp_path / "x.npz").write_bytes(content)
    with pytest.raises(InputError, match=r"x\.npz: not a file of named arrays"):
        read_arrays(tmp_path / "x.npz")


def test_objects_are_not_unpickled(tmp_path):
    np.savez(tmp_path / "x.npz", a=np.array([object()]))
    with pytest.raises(InputError, match="x.npz: not a file of named arrays"):
        read_arrays(tmp_path / "x.npz")
