"""A failing record never stops the training, and gaps are filled when it works again."""

import json
import os
import subprocess

import pytest

from equimorph.tracking.tracker import flatten
from tests.unit.tracking.records import (
    curves,
    production,
    run_training,
    runs,
    scalars,
    track,
    values,
)


# TensorBoard writes in a thread of its own, which says so when it ends.
@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_a_full_disk_costs_a_warning_each_and_gaps_are_filled(tmp_path):
    disk = tmp_path / "disk"
    disk.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=16m", "tmpfs", str(disk)]
    if os.geteuid() != 0 or subprocess.run(mount, capture_output=True).returncode:
        pytest.skip("a small file system cannot be mounted here")
    filling, epochs = disk / "filling", 18  # the last block of a small file has room for some

    def fill(row):
        """Leave no byte before the second epoch is recorded."""
        if row["epoch"] == 2:
            with open(filling, "wb", buffering=0) as file:
                try:
                    while True:
                        file.write(bytes(4096))
                except OSError:
                    pass
        if row["epoch"] == epochs:
            filling.unlink()

    try:
        with pytest.warns(UserWarning) as warned:
            run_training(tmp_path, track(disk, values()), values(), epochs, fill)
        told = sorted(str(w.message).split(":")[0] for w in warned if w.category is UserWarning)
        assert told == ["track.mlflow", "track.tensorboard"]
        (run,) = runs(disk)
        assert run.info.status == "FINISHED"
        for found in (curves(disk, run), scalars(disk)):
            assert [s for s, _ in found["validation_loss"]] == list(range(1, epochs + 1))
        assert production(disk)[0] == "1"
    finally:
        close_store(disk)
        subprocess.run(["umount", str(disk)], check=True)


def close_store(folder):
    """Close MLflow's connections, which would keep the file system busy."""
    from mlflow.store.model_registry.sqlalchemy_store import SqlAlchemyStore as Registry
    from mlflow.store.tracking.sqlalchemy_store import SqlAlchemyStore as Tracking

    for store in (Tracking, Registry):
        for uri, engine in getattr(store, "_engine_map", {}).items():
            if str(folder) in uri:
                engine.dispose()


def test_a_training_that_ends_by_an_exception_is_marked(tmp_path):
    for error, status in ((RuntimeError, "FAILED"), (KeyboardInterrupt, "KILLED")):
        tracker = track(tmp_path, values(), tensorboard=False)
        with pytest.raises(error), tracker:
            raise error
        (run,) = runs(tmp_path)
        assert run.info.status == status


def test_nested_values_become_texts_by_dotted_names():
    nested = {"a": {"b": None, "c": [1, 0.5], "d": {}}, "e": "text", "f": True}
    expected = {"a.b": "null", "a.c": "[1, 0.5]", "a.d": "{}", "e": "text", "f": "true"}
    assert flatten(nested) == expected
    assert json.loads(flatten({"x": 0.1 + 0.2})["x"]) == 0.1 + 0.2
