"""A recorded training that all tests of the records read."""

import signal
import warnings
from types import SimpleNamespace

import pytest

from tests.unit.tracking.records import child, read, run_training, runs, track, values


@pytest.fixture(scope="session")
def tracked(tmp_path_factory):
    """A training that was killed after its third epoch and resumed, recorded in both places.

    Tests must leave it as it is.
    """
    folder = tmp_path_factory.mktemp("tracked")
    process = child("killed_training", folder)
    output, _ = process.communicate(timeout=600)
    assert process.returncode == -signal.SIGKILL, output
    assert output == ""  # the packages say nothing
    first = [(run.info.run_id, run.info.status) for run in runs(folder)]
    assert [status for _, status in first] == ["RUNNING"]
    rows = []
    with warnings.catch_warnings():
        warnings.filterwarnings("error", message="track")
        files = run_training(folder, track(folder, values(), True), values(), report=rows.append)
    assert [row["epoch"] for row in rows] == [3, 4]  # it did resume, and trained the third again
    return SimpleNamespace(folder=folder, first=first[0][0], files=files, history=read(files[1]))
