"""The reliability diagram: accuracy against confidence, and the share of each bin."""

import numpy as np

from equimorph.report.figures.calibration import reliability_diagram

from .numbers import bins


def test_reliability_shows_filled_bins_and_shares():
    figure = reliability_diagram({"D4": bins()}, {"D4": "D4"}, {"D4": 0.16})
    upper, lower = figure.axes
    points = upper.collections[-1].get_offsets()
    np.testing.assert_allclose(points, [[0.5, 0.25], [0.9, 0.8]])
    np.testing.assert_allclose([bar.get_height() for bar in lower.patches], [0, 0.4, 0.6])
    assert "0.160" in upper.get_title(loc="left")
