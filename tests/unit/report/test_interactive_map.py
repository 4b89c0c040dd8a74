"""The interactive map's data: what its page needs, small enough, and safe inside a page."""

import base64
import io
import json

import numpy as np
import pytest
from PIL import Image

from equimorph.report.interactive_map import LARGEST, MOST, TILE, inline_json, map_data

COUNT = 30


def stored(count=COUNT):
    angle = np.linspace(0, 6, count)
    circle = np.stack([np.cos(angle), np.sin(angle)], axis=1)
    return {
        "methods": np.array(["pca", "tsne"]),
        "maps": np.stack([np.zeros((count, 2)), 3 * circle]),
        "label": np.arange(count) % 3,
        "predicted": np.zeros(count, int),
        "confidence": np.full(count, 0.5),
        "embeddings": circle,
    }


def test_places_labels_and_neighbours():
    images = np.zeros((COUNT, 40, 40, 3), np.uint8)
    images[7] = [0, 0, 250]
    data = map_data(stored(), "tsne", images, ["a", "b", "c"], 1.0)
    assert np.hypot(data["x"], data["y"]) == pytest.approx(np.full(COUNT, 1 / 2.1), abs=1e-3)
    assert data["of"] == COUNT
    assert data["label"][:4] == [0, 1, 2, 0] and set(data["neighbours"][10][:2]) == {9, 11}
    assert all(len(near) == 5 for near in data["neighbours"])
    sheet = Image.open(io.BytesIO(base64.b64decode(data["sprite"].split(",")[1])))
    pixels = np.asarray(sheet.convert("RGB"))
    row, column = divmod(7, data["columns"])
    centre = pixels[row * TILE + TILE // 2, column * TILE + TILE // 2]
    assert centre[2] > 200 and centre[0] < 60
    json.dumps(data, allow_nan=False)


def test_the_central_part_is_shown():
    images = np.zeros((COUNT, 40, 40, 3), np.uint8)
    images[:, :10] = 255  # outside of the central half
    data = map_data(stored(), "pca", images, ["a", "b", "c"], 0.5)
    sheet = Image.open(io.BytesIO(base64.b64decode(data["sprite"].split(",")[1])))
    assert np.asarray(sheet).max() < 30


def test_many_noisy_galaxies_are_fewer_and_small_enough():
    count = 1500
    images = np.random.default_rng(0).integers(256, size=(count, 32, 32, 3), dtype=np.uint8)
    data = map_data(stored(count), "tsne", images, ["a", "b", "c"], 1.0)
    assert len(data["x"]) == MOST and len(json.dumps(data)) < 1.1 * LARGEST


def test_no_text_ends_the_script():
    text = inline_json({"classes": ["</script><b>"]})
    assert "<" not in text and json.loads(text) == {"classes": ["</script><b>"]}
