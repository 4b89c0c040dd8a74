"""The histogram of the classes, and the map of the sky."""

import numpy as np
from matplotlib.colors import to_hex

from equimorph.report.figures.catalogue import class_histogram, sky_map
from equimorph.report.figures.style import CLASS_COLOURS, SUBSET_COLOURS

from .numbers import split


def test_histogram_stacks_subsets_in_class_order():
    axes = class_histogram(split(), list("abc")).axes[0]
    widths = {c.get_label(): [bar.get_width() for bar in c] for c in axes.containers}
    assert widths == {
        "train": [1, 0, 1],
        "validation": [0, 0, 1],
        "test": [1, 0, 0],
        "quarantined": [0, 0, 1],
    }
    assert [text.get_text() for text in axes.texts] == ["2", "0", "3"]
    assert axes.yaxis_inverted()
    assert to_hex(axes.containers[0][0].get_facecolor()) == SUBSET_COLOURS["train"]


def test_sky_map_has_east_to_the_left_and_counts_missing_positions():
    subset, label = np.array(["train", "test", "test"]), np.array([1, 0, 1])
    position = np.array([150.0, 90.0, np.nan]), np.array([30.0, -10, 0])
    figure = sky_map(*position, subset, label, list("ab"))
    by_subset, first, second = figure.axes
    lines = {line.get_label(): line for line in by_subset.lines}
    assert lines["train"].get_xdata()[0] < 0 < lines["test"].get_xdata()[0]
    np.testing.assert_allclose(lines["train"].get_ydata(), np.radians([30]))
    assert len(lines["test"].get_xdata()) == 1
    assert by_subset.get_title(loc="left") == "1 of 3 without a position"
    assert (first.get_title(loc="left"), second.get_title(loc="left")) == ("a", "b")
    assert first.lines[0].get_xdata()[0] > 0 > second.lines[0].get_xdata()[0]
    assert len(second.lines[0].get_xdata()) == 1
    assert to_hex(second.lines[0].get_color()) == CLASS_COLOURS[1]


def test_sky_map_without_any_position():
    unknown = np.full(2, np.nan)
    figure = sky_map(unknown, unknown, np.array(["train", "test"]), np.array([0, 1]), list("ab"))
    assert not any(axes.lines for axes in figure.axes)
