"""Reliability before and after: both curves, and each class's error."""

import numpy as np

from equimorph.report.figures.temperature import before_and_after


def calibration(error):
    bins = [
        {"low": 0.0, "high": 0.5, "count": 0, "confidence": None, "accuracy": None},
        {"low": 0.5, "high": 1.0, "count": 9, "confidence": 0.8, "accuracy": 0.8 - error},
    ]
    return {
        "reliability": bins,
        "ece": {"mean": error},
        "classwise": {"Round": error, "Cigar": 2 * error},
    }


def test_curves_and_classes():
    one = {
        "temperature": {"mean": 1.7},
        "before": calibration(0.2),
        "after": calibration(0.05),
    }
    figure = before_and_after({"D4": one, "CNN": one}, {"D4": "D4", "CNN": None})
    first, _, classes = figure.axes
    _, before, after = first.lines
    np.testing.assert_allclose(before.get_xydata(), [[0.8, 0.6]])
    np.testing.assert_allclose(after.get_xydata(), [[0.8, 0.75]])
    assert not before.get_clip_on() and not after.get_clip_on()  # points at 0 and 1 are whole
    assert first.get_title(loc="left") == "D4: T = 1.70"
    assert [text.get_text() for text in first.get_legend().get_texts()] == [
        "before: ECE 0.200",
        "after: ECE 0.050",
    ]
    np.testing.assert_allclose(classes.lines[0].get_xdata(), [0.2, 0.4])
    assert [text.get_text() for text in classes.get_yticklabels()] == ["Round", "Cigar"]
