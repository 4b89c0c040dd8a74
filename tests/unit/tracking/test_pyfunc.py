"""A network in MLflow's registry gives the logits of its checkpoint."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from equimorph.errors import InputError
from equimorph.models.prediction import predict_logits
from equimorph.models.trained import load_checkpoint
from tests.unit.tracking.records import CLASSES, client, runs, whole_images


def test_the_registered_model_gives_the_logits_of_ours(tracked):
    from equimorph.tracking.mlflow import mlflow

    batch = whole_images(6, 2)
    checkpoint = load_checkpoint(tracked.files[0])
    expected = predict_logits(checkpoint.network, *checkpoint.prepare(batch))
    mlflow.set_tracking_uri(f"sqlite:///{tracked.folder}/mlflow.db")
    model = mlflow.pyfunc.load_model("models:/demo-CNN@production")
    assert np.array_equal(model.predict(batch), expected.numpy())
    shares = model.predict(batch, params={"output": "probabilities"})
    np.testing.assert_allclose(shares, expected.softmax(1).numpy(), rtol=1e-6)
    assert model.metadata.metadata["classes"] == CLASSES
    with pytest.raises(mlflow.exceptions.MlflowException, match="shape"):
        model.predict(batch[..., :-1])
    with pytest.raises(ValueError, match="output 'labels': allowed are logits, probabilities"):
        model.predict(batch, params={"output": "labels"})
    wide = np.pad(batch, ((0, 0), (20, 20), (20, 20), (0, 0)))  # the same scale, a larger field
    scale = {"pixel_scale": 65 / 41}
    assert np.array_equal(model.predict(wide, params=scale), expected.numpy())
    with pytest.raises(InputError, match="was trained on 65.0 arcsec"):
        model.predict(batch[:, 5:-5, 5:-5], params=scale)


def test_the_model_brings_its_code_and_holds_no_pickle(tracked, tmp_path):
    (run,) = runs(tracked.folder)
    place = client(tracked.folder).download_artifacts(run.info.run_id, "model", str(tmp_path))
    suffixes = {path.suffix for path in Path(place).rglob("*") if path.is_file()}
    assert suffixes <= {".py", ".j2", ".js", ".yaml", ".txt", ".safetensors", ""}
    assert [p.name for p in Path(place).iterdir() if not p.suffix and p.is_file()] == ["MLmodel"]
    batch = whole_images(3, 3)
    np.save(tmp_path / "images.npy", batch)
    code = (
        "import sys, numpy, mlflow\n"
        "model = mlflow.pyfunc.load_model(sys.argv[1])\n"
        "numpy.save('logits.npy', model.predict(numpy.load('images.npy')))\n"
        "print(sys.modules['equimorph'].__file__)\n"
    )
    environment = {
        "PATH": os.environ["PATH"],
        "OMP_NUM_THREADS": "1",
        "MLFLOW_DISABLE_TELEMETRY": "true",
        "MLFLOW_ALLOW_PICKLE_DESERIALIZATION": "false",
    }
    done = subprocess.run(
        [sys.executable, "-c", code, place],
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
        check=True,
    )
    assert Path(done.stdout.split()[-1]).is_relative_to(place)
    checkpoint = load_checkpoint(tracked.files[0])
    expected = predict_logits(checkpoint.network, *checkpoint.prepare(batch))
    np.testing.assert_allclose(np.load(tmp_path / "logits.npy"), expected, rtol=1e-5, atol=1e-6)
