"""Accuracy against labels: a line per network and start."""

import numpy as np
import pandas as pd
from matplotlib.container import ErrorbarContainer

from equimorph.evaluation.label_curve import COLUMNS
from equimorph.report.figures.label_curve import label_curve


def rows(network, group, pretrained, labels, *accuracies):
    return [(network, group, pretrained, labels, n, value) for n, value in enumerate(accuracies)]


TABLE = pd.DataFrame(
    [
        *rows("D4", "D4", False, 100, 0.5, 0.6),
        *rows("D4", "D4", False, 1000, 0.8, 0.8),
        *rows("D4", "D4", True, 0, 0.6, 0.64),
        *rows("D4", "D4", True, 100, 0.7, 0.7),
        *rows("CNN", None, False, 100, 0.4, 0.5),
    ],
    columns=COLUMNS,
)


def test_lines_hold_means_over_seeds():
    figure = label_curve(TABLE)
    (axes,) = figure.axes
    lines = {c.get_label(): c for c in axes.containers if isinstance(c, ErrorbarContainer)}
    assert list(lines) == ["D4, random weights", "D4, pretrained", "CNN, random weights"]
    scratch = lines["D4, random weights"].lines[0]
    np.testing.assert_allclose(scratch.get_ydata(orig=False), [0.55, 0.8])
    np.testing.assert_allclose(scratch.get_xdata(orig=False), [100, 1000], rtol=0.1)
    assert scratch.get_linestyle() == "--"
    assert scratch.get_markerfacecolor() == "white"
    assert lines["D4, pretrained"].lines[0].get_linestyle() == "-"
    dotted = {line.get_label(): line for line in axes.lines}["D4, no real label"]
    np.testing.assert_allclose(dotted.get_ydata(orig=False), 0.62)
    assert axes.get_xscale() == "log"
    assert [tick.get_text() for tick in axes.get_xticklabels()] == ["100", "1,000"]


def test_without_pretraining_there_is_no_dotted_line():
    figure = label_curve(TABLE[TABLE["labels"] > 0])
    assert not [t for t in figure.axes[0].get_legend_handles_labels()[1] if "no real" in t]
