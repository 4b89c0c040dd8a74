"""Accuracy against labels: a line per network and start."""

import numpy as np
import pandas as pd
from matplotlib.container import ErrorbarContainer

from equimorph.report.figures.label_curve import label_curve
from tests.scripts import load


def model(group, images, accuracies, **changes):
    clean = {"accuracy": {"values": accuracies}}
    return {
        "group": group,
        "architecture": "gcnn" if group else "cnn",
        "train_images": images,
        "pretrained": "zero_labels" in changes,
        "conditions": {"clean": clean},
        **changes,
    }


MODELS = {
    "D4-100": model("D4", 100, [0.5, 0.6]),
    "D4": model("D4", 1000, [0.8, 0.8]),
    "D4-p": model("D4", 100, [0.7, 0.7], zero_labels={"accuracy": {"values": [0.6, 0.64]}}),
    "CNN-100": model(None, 100, [0.4, 0.5]),
}


def test_lines_hold_means_over_seeds():
    rows = pd.DataFrame(load("workflow/scripts/report/plot_label_curve.py").rows(MODELS))
    figure = label_curve(rows[rows["labels"] > 0], rows[rows["labels"] == 0])
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
    rows = pd.DataFrame(load("workflow/scripts/report/plot_label_curve.py").rows(MODELS))
    figure = label_curve(rows[rows["labels"] > 0], rows[:0])
    assert not [t for t in figure.axes[0].get_legend_handles_labels()[1] if "no real" in t]
