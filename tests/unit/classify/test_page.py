"""The page: its JavaScript gives torch's numbers, in node."""

import json
import re
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from equimorph.classify.outliers import statistics
from equimorph.classify.page import (
    MOST_BYTES,
    WEB,
    Example,
    PageNetwork,
    compared,
    page_or_reason,
    render_page,
    rounded,
)
from equimorph.errors import InputError
from equimorph.models.orbit import turned
from equimorph.models.plain import plain_layers, plain_network
from equimorph.models.prediction import predict_logits
from equimorph.models.trained import load_checkpoint
from tests.unit.classify.conftest import make_study


def in_node(page, images, tmp_path):
    """Return what the page's functions give for (N, H, H, 3) images."""
    if not shutil.which("node"):
        pytest.skip("node is not installed")
    raw, driver = tmp_path / "raw.bin", Path(__file__).with_name("driver.js")
    np.ascontiguousarray(images.transpose(0, 3, 1, 2)).tofile(raw)
    command = ["node", driver, page, WEB, raw, str(images.shape[1])]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    found = json.loads(done.stdout)
    return {key: np.array([one[key] for one in found]) for key in found[0]}


@pytest.mark.parametrize("side", [33, 65, 47, 20])
def test_javascript_and_torch_agree(page, study, classifier, tmp_path, side):
    """Preparation to the last pixel value, logits to 1e-4, on 200 images in all."""
    path, other = page
    images = study.images[:50]
    if side != 33:
        resized = [Image.fromarray(one).resize((side, side)) for one in images]
        images = np.stack([np.asarray(one) for one in resized])
    found = in_node(path, images, tmp_path)
    (prepared,) = classifier.checkpoint.prepare(images)
    assert np.array_equal(found["pixels"], prepared.flatten(1).numpy())
    for number, network in enumerate((classifier.checkpoint.network, other.network)):
        logits = predict_logits(network, prepared).numpy()
        assert np.abs(found["logits"][:, number] - logits).max() < 1e-4
    assert np.abs(found["statistics"] - statistics(prepared)).max() < 1e-3
    scores = classifier.companion.outliers.scores(prepared)
    assert np.abs(found["scores"] - scores).max() < 1e-2
    moved = turned(prepared.flip(3), 112.5).flatten(1).numpy()
    assert np.abs(found["turned"] - moved).max() < 0.01
    assert np.array_equal(found["quarter"], prepared.rot90(3, (2, 3)).flatten(1).numpy())


def test_the_activation_is_the_slope_of_the_logit_times_the_maps(page, study, classifier, tmp_path):
    images = study.images[:6]
    found = in_node(page[0], images, tmp_path)["activation"]
    network = classifier.checkpoint.network
    pool = next(n for n, layer in enumerate(network) if type(layer).__name__ == "SpatialMean")
    (prepared,) = classifier.checkpoint.prepare(images)
    maps = network[:pool](prepared).detach().requires_grad_()
    logits = network[pool:](maps)
    above = logits.max(dim=1).values - logits.mean(dim=1)
    (slope,) = torch.autograd.grad(above.sum(), maps)
    weights = slope.sum(dim=(2, 3), keepdim=True)  # of the mean over space
    spoken = (weights * maps).sum(dim=1).flatten(1)
    expected = (spoken - spoken.mean(dim=1, keepdim=True)).clamp_min(0).detach().numpy()
    assert expected.max() > 0
    assert np.allclose(found, expected, atol=1e-4 * expected.max())


def test_large_networks_are_rounded_and_the_page_runs_what_it_says(
    study, classifier, tmp_path, monkeypatch
):
    monkeypatch.setattr("equimorph.classify.page.EXACT_BYTES", 0)
    path = tmp_path / "classify.html"
    path.write_text(render_page("blobs", classifier))
    found = in_node(path, study.images[:20], tmp_path)["logits"][:, 0]
    companion = classifier.companion
    network = plain_network(companion.layers, rounded(companion.layers, companion.tensors))
    (prepared,) = classifier.checkpoint.prepare(study.images[:20])
    logits = predict_logits(network, prepared).numpy()
    assert np.abs(found - logits).max() < 1e-4
    turned = predict_logits(network, prepared.rot90(1, (2, 3))).numpy()
    assert np.abs(turned - logits).max() < 1e-4  # blurs and the mask are not rounded
    assert (
        np.abs(logits - predict_logits(classifier.checkpoint.network, prepared).numpy()).max() < 1
    )


def test_nothing_is_fetched_and_nothing_given_becomes_markup(study, classifier):
    pixels = study.images[0]
    nasty = "</script><img src=x onerror=alert(1)>"
    page = render_page(nasty, classifier, None, [Example(nasty, pixels)])
    assert nasty not in page and "<img src=x" not in page
    assert len(page.encode()) < MOST_BYTES
    assert not re.findall(r"""(?:src|href)=["'](?!data:)""", page)
    assert not re.findall(r"\b(?:fetch|XMLHttpRequest|WebSocket|import)\s*\(", page)
    assert "default-src 'none'" in page


def test_what_a_page_cannot_run_is_explained(study, classifier, tmp_path, monkeypatch):
    orbit = make_study(tmp_path, "CNN-orbit")
    from equimorph.classify.classifier import load

    with pytest.raises(InputError, match="no means over an orbit"):
        render_page("x", load(orbit.folder))
    assert "cannot run in a page: the page runs no means" in page_or_reason("x", load(orbit.folder))
    monkeypatch.setattr("equimorph.classify.page.MOST_BYTES", 1000)
    assert "allowed are 1000" in page_or_reason("<b>", classifier)
    assert "<b>" not in page_or_reason("<b>", classifier)


def test_a_network_with_branches_is_not_compared_with(study, network_defaults):
    checkpoint = load_checkpoint(study.folder / "classifier/model.safetensors")
    found = compared(checkpoint, study.images[:40], study.labels[:40], {})
    assert isinstance(found, PageNetwork) and found.key == "plain" and found.title == "D4"
    assert plain_layers(checkpoint.network)[0] == found.layers
