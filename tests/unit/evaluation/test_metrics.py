"""Metrics of one set of predictions, against values worked out by hand."""

import numpy as np
import pytest

from equimorph.evaluation.metrics import (
    expected_calibration_error,
    measure,
    reliability_bins,
)


def logits_of(predicted, classes=3):
    return 5.0 * np.eye(classes)[predicted]


def test_accuracy_confusion_and_f1():
    labels = np.array([0, 0, 1, 1])
    result = measure(logits_of([0, 1, 1, 1], 2), labels, ["a", "b"])
    assert result["accuracy"] == 0.75
    assert result["confusion"] == [[1, 1], [0, 2]]
    assert result["per_class"]["a"] == pytest.approx({"precision": 1, "recall": 0.5, "f1": 2 / 3})
    assert result["per_class"]["b"] == pytest.approx({"precision": 2 / 3, "recall": 1, "f1": 0.8})
    assert result["macro_f1"] == pytest.approx((2 / 3 + 0.8) / 2)


def test_a_class_without_images_has_no_scores_and_no_weight():
    result = measure(logits_of([0, 2, 1]), np.array([0, 0, 1]), ["a", "b", "c"])
    assert result["per_class"]["c"] == {"precision": None, "recall": None, "f1": None}
    assert result["macro_f1"] == pytest.approx((2 / 3 + 1) / 2)
    assert result["confusion"][2] == [0, 0, 0]


def test_a_class_never_predicted_scores_zero():
    result = measure(logits_of([0, 0], 2), np.array([0, 1]), ["a", "b"])
    assert result["per_class"]["b"] == {"precision": 0.0, "recall": 0.0, "f1": 0.0}


def test_ece_by_hand():
    # Two bins: confidence 0.9 twice, right once (gap 0.4); confidence 0.6 once, right (gap 0.4);
    # confidence 0.7 once, wrong (gap 0.7): (2 * 0.4 + 1 * 0.4 + 1 * 0.7) / 4 with 15 bins.
    p = np.array([[0.9, 0.1], [0.9, 0.1], [0.6, 0.4], [0.3, 0.7]])
    labels = np.array([0, 1, 0, 0])
    assert expected_calibration_error(p, labels) == pytest.approx(1.9 / 4)
    # One bin holds all: |2 / 4 - 3.1 / 4|.
    assert expected_calibration_error(p, labels, bins=1) == pytest.approx(1.1 / 4)


def test_bins_are_closed_above():
    # 0.6 = 9 / 15 and 0.8 = 12 / 15 end bins 9 and 12, also in floating point.
    p = np.array([[0.6, 0.4], [0.8, 0.2], [1.0, 0.0]])
    counts = [row["count"] for row in reliability_bins(p, np.zeros(3, dtype=int))]
    assert [k + 1 for k, count in enumerate(counts) if count] == [9, 12, 15]
    empty = reliability_bins(p, np.zeros(3, dtype=int))[0]
    assert empty["confidence"] is None
    assert empty["accuracy"] is None


def test_brier_by_hand():
    # (0.3² + 0.2² + 0.1²) = 0.14; certain and wrong: 1 + 1 = 2.
    logits = np.array([np.log([0.7, 0.2, 0.1]), [0, 1000, 0]])
    assert measure(logits, np.array([0, 2]), ["a", "b", "c"])["brier"] == pytest.approx(2.14 / 2)
    assert measure(1000 * np.eye(3), np.arange(3), ["a", "b", "c"])["brier"] == 0
    two = measure(np.log([[0.6, 0.4], [0.9, 0.1]]), np.array([1, 0]), ["a", "b"])
    assert two["brier"] == pytest.approx((2 * 0.6**2 + 2 * 0.1**2) / 2)
