"""Figures of attacks: rates with intervals, changes of class, images with a ring."""

import numpy as np
import pandas as pd
import pytest

from equimorph.report.figures.attack import attack_examples, attack_rates

CLASSES = ["Round", "Cigar", "Spiral"]


def rates():
    rows = [
        {"method": method, "model": model, "rate": rate, "ci95_low": rate / 2, "ci95_high": 0.5}
        for method, by_model in {
            "exhaustion": {"CNN": 0.2, "D4": 0.1},
            "evolution": {"CNN": 0.1, "D4": 0.0},
        }.items()
        for model, rate in by_model.items()
    ]
    return pd.DataFrame(rows)


def test_rates_of_both_methods_and_class_changes():
    changes = np.array([[0, 2, 0], [0, 0, 0], [5, 0, 0]])
    figure = attack_rates(rates(), {"CNN": None, "D4": "D4"}, changes, CLASSES)
    left, right = figure.axes
    heights = [bar.lines[0].get_ydata()[0] for bar in left.containers]
    assert heights == pytest.approx([20, 10, 10, 0])
    assert [text.get_text() for text in left.get_xticklabels()] == ["CNN", "D4"]
    bars = [bar.lines[2][0].get_segments()[0][:, 1] for bar in left.containers]
    np.testing.assert_allclose(bars[0], [10, 50])
    points = [bar.lines[0] for bar in left.containers]
    assert not any(point.get_clip_on() for point in points)  # that at 0 % is whole
    # Predicted class to the right, true class downwards.
    np.testing.assert_array_equal(right.collections[0].get_offsets(), [[1, 0], [0, 2]])
    assert [text.get_text() for text in right.texts] == ["2", "5"]


def test_no_success_and_no_victims_can_be_drawn():
    none = rates().assign(rate=np.nan, ci95_low=np.nan, ci95_high=np.nan)
    attack_rates(none, {"CNN": None, "D4": "D4"}, np.zeros((3, 3), int), CLASSES)
    attack_examples({"CNN": []}, CLASSES)


def test_the_ring_is_around_the_pixel():
    one = {
        **{"image": np.zeros((9, 9, 3), np.uint8), "row": 6, "column": 2},
        **{"success": True, "label": 0, "predicted": 2, "probability": 0.123},
    }
    figure = attack_examples({"D4": [one, {**one, "success": False}], "CNN": [one]}, CLASSES)
    first, second = figure.axes[:2]  # of four columns
    assert first.lines[0].get_xydata().tolist() == [[2, 6]]
    assert "Round" in first.get_title(loc="left") and "→ Spiral" in first.get_title(loc="left")
    assert "12 % left" in first.get_title(loc="left") and first.get_title(loc="left").startswith(
        "D4"
    )
    assert "withstands" in second.get_title(loc="left") and "Spiral" not in second.get_title(
        loc="left"
    )
