"""Networks as files for other programs: read by those programs, with any number of images."""

import json

import numpy as np
import pytest
import torch

from equimorph.classify.formats import METADATA, OPSET, save_as
from equimorph.errors import InputError
from equimorph.models.prediction import predict_logits
from tests.unit.classify.conftest import CLASSES


def prepared(study, classifier, count):
    """Return prepared images as floats, and the network's logits."""
    (images,) = classifier.checkpoint.prepare(study.images[:count])
    return images.float(), predict_logits(classifier.checkpoint.network, images)


def test_onnx_has_the_same_logits_for_any_number_of_images(study, classifier, tmp_path):
    onnx, runtime = (pytest.importorskip(name) for name in ("onnx", "onnxruntime"))
    pytest.importorskip("onnxscript")
    path = tmp_path / "network.onnx"
    assert save_as(classifier, path) <= 1e-4
    session = runtime.InferenceSession(path)
    for count in (1, 2, 9):
        images, logits = prepared(study, classifier, count)
        (found,) = session.run(["logits"], {"images": images.numpy()})
        assert np.abs(found - logits.numpy()).max() <= 1e-4
    model = onnx.load(path)
    assert [one.version for one in model.opset_import if one.domain == ""] == [OPSET]
    said = json.loads({one.key: one.value for one in model.metadata_props}[METADATA])
    assert said["classes"] == CLASSES and said["temperature"] == classifier.temperature
    assert [p.name for p in tmp_path.iterdir()] == ["network.onnx"]


def test_a_program_has_the_same_logits_for_any_number_of_images(study, classifier, tmp_path):
    path = tmp_path / "network.pt2"
    assert save_as(classifier, path) <= 1e-4
    said = {METADATA: ""}
    program = torch.export.load(path, extra_files=said)
    for count in (1, 2, 9):
        images, logits = prepared(study, classifier, count)
        assert (program.module()(images) - logits).abs().max() <= 1e-4
    assert json.loads(said[METADATA])["preparation"]["input_size"] == 33


def test_other_endings_are_refused(classifier, tmp_path):
    with pytest.raises(
        InputError, match=r"network\.pt: allowed are files that end in \.onnx, \.pt2"
    ):
        save_as(classifier, tmp_path / "network.pt")


def test_nothing_is_left_of_a_file_that_is_not_equal(classifier, tmp_path, monkeypatch):
    monkeypatch.setattr("equimorph.classify.formats.TOLERANCE", -1.0)
    with pytest.raises(InputError, match="its logits differ by"):
        save_as(classifier, tmp_path / "network.pt2")
    assert list(tmp_path.iterdir()) == []
