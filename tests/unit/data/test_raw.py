"""Tests of writing raw files: the same bytes each time, and no disk too small to say so."""

import subprocess
import sys
from pathlib import Path

import h5py
import numpy as np
import pytest

from equimorph.data.raw import RAW_KEYS, write_raw
from tests.conftest import ROOT

IMAGES = np.random.default_rng(0).integers(0, 256, (40, 33, 33, 3), np.uint8)
COLUMNS = (np.arange(40) % 3, *np.random.default_rng(1).random((4, 40)))


def test_a_file_holds_what_was_given_and_has_the_same_bytes_each_time(tmp_path):
    for name in ("a.h5", "b.h5"):
        write_raw(tmp_path / name, IMAGES, *COLUMNS)
    assert (tmp_path / "a.h5").read_bytes() == (tmp_path / "b.h5").read_bytes()
    with h5py.File(tmp_path / "a.h5") as file:
        assert set(file) == set(RAW_KEYS)
        for key, values in zip(RAW_KEYS, (IMAGES, *COLUMNS), strict=True):
            np.testing.assert_array_equal(file[key][:], values)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.h5", "b.h5"]


FULL = """
import resource, sys
import numpy as np
from equimorph.data.raw import write_raw
from equimorph.io import run
limit = int(sys.argv[2])
resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))
images = np.random.default_rng(0).integers(0, 256, (40, 33, 33, 3), np.uint8)
run(lambda: write_raw(sys.argv[1], images, np.zeros(40), *np.zeros((4, 40))))
"""


@pytest.mark.skipif(sys.platform == "win32", reason="the system limits no files")
def test_a_file_that_may_not_grow_ends_in_one_sentence_and_leaves_nothing(tmp_path: Path):
    command = [sys.executable, "-c", FULL, str(tmp_path / "raw.h5"), "50000"]
    environment = {"PYTHONPATH": str(ROOT / "workflow")}
    done = subprocess.run(command, env=environment, capture_output=True, text=True)
    assert done.returncode == 1, f"ended with {done.returncode}"
    assert done.stderr.startswith(f"error: {tmp_path / 'raw.h5'}: a quota or a limit on the size")
    assert len(done.stderr.splitlines()) == 1
    assert list(tmp_path.iterdir()) == []
