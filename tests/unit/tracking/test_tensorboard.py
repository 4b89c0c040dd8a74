"""A training as a TensorBoard log, read back by TensorBoard."""

import pytest

from equimorph.io import read_json
from tests.unit.tracking.records import scalars, track, values


def test_tensorboard_shows_each_epoch_once(tracked):
    found, history = scalars(tracked.folder), tracked.history
    for key in history.columns.drop(["epoch", "seconds"]):
        assert [s for s, _ in found[key]] == [1, 2, 3, 4], key
        assert [v for _, v in found[key]] == pytest.approx(list(history[key]), rel=1e-6)
    best = read_json(tracked.files[2])["best_epoch"]
    assert found["best_validation_loss"] == [
        (best, pytest.approx(history["validation_loss"].min(), rel=1e-6))
    ]


def test_files_that_cannot_be_read_cost_a_warning(tmp_path):
    tracker = track(tmp_path, values(), mlflow=None)
    with pytest.warns(UserWarning, match="track.tensorboard: .*No such file"):
        tracker.finish(tmp_path / "a", tmp_path / "b", tmp_path / "c")
