"""The model card: its numbers are those of the predictions, whatever the classes are."""

import numpy as np
import pytest

from equimorph.evaluation.metrics import expected_calibration_error
from equimorph.evaluation.probabilities import probabilities
from equimorph.report.card import model_card, summary

CLASSES = ["round", "long", "rare"]


def predictions():
    """100 images of two classes, 80 of them right, 10 long ones taken for rare; overconfident."""
    labels = np.repeat([0, 1], 50)
    said = labels.copy()
    said[:10] = 1
    said[50:60] = 2
    return 6 * np.eye(3)[said], labels


def card(**changed):
    logits, labels = predictions()
    run = {
        "model": "D4",
        "architecture": "gcnn",
        "group": "D4",
        "parameters": 47232,
        "macs": 23_800_000,
        "seed": 2,
        "train_images": 698,
        "classes": CLASSES,
        "data_sha256": "a" * 64,
        "split_sha256": "b" * 64,
        "preparation": {"side": 256, "pixel_scale": 0.262, "input_size": 65},
    }
    conditions = {"clean": {"accuracy": {"mean": 0.8}}, "noise-50": {"accuracy": {"mean": 0.5}}}
    split = {"protocol": "clean", "leaky": False}
    known = {"temperature": 2.0, "validation": {"images": 100}, "credit": "Galaxy10"}
    return model_card("demo", {**run, **changed}, conditions, split, known, logits, labels, 200, 1)


def test_the_summary_is_that_of_the_calibrated_probabilities():
    logits, labels = predictions()
    found = summary(logits, labels, 3.0, 300, 0)
    value, (low, high) = found["accuracy"]
    assert value == 0.8 and 0.7 < low < 0.8 < high < 0.9
    assert found["before"][0] == expected_calibration_error(probabilities(logits), labels)
    assert found["ece"][0] == expected_calibration_error(probabilities(logits / 3), labels)
    assert found["recall"] == [0.8, 0.8, None]
    assert found["confusion"].tolist() == [[40, 10, 0], [0, 40, 10], [0, 0, 0]]


def test_the_card_says_what_a_user_must_know():
    text = card()
    for part in (
        "# Model card: D4 of the study demo",
        "group D4, 47.2 k parameters, 23.8 M multiply-adds; seed 2",
        "698 training images; Galaxy10. Data `aaaaaaaaaaaaaaaa`, split `bbbbbbbbbbbbbbbb` (clean)",
        "field 67.1 arcsec, resized to 65 px",
        "| accuracy, % | 80.0 | [",
        "clean 80.0, noise-50 50.0.",
        "| round | 50 | 80.0 | long (10) |",
        "| long | 50 | 80.0 | rare (10) |",
        "| rare | 0 | – | – |",
        "the temperature 2.000, fitted on 100 validation images",
    ):
        assert part in text
    assert "None" not in text and "nan" not in text


@pytest.mark.parametrize(
    "changed",
    [{"group": None}, {"preparation": {"side": 48, "pixel_scale": None, "input_size": 49}}],
)
def test_what_is_not_known_is_said(changed):
    text = card(**changed)
    assert "group none" in text or "field unknown" in text
