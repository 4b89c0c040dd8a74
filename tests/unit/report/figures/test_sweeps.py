"""Curves along sweeps: values in their units, worse to the right."""

import numpy as np
import pandas as pd

from equimorph.report.figures.style import line_styles
from equimorph.report.figures.sweeps import sweep_curves


def measured(falling, logarithmic=False):
    point = {"mean": 0.5, "ci95": [0.4, 0.6]}
    network = {
        metric: [point, {**point, "mean": 0.8}] for metric in ("accuracy", "macro_f1", "ece")
    }
    label = "exposure time left (%)"
    return {
        "axis": {
            "label": label,
            "percent": True,
            "falling": falling,
            "logarithmic": logarithmic,
        },
        "values": [0.25, 1.0],
        "networks": {"CNN": network, "D4": network},
    }


def test_a_row_per_sweep_and_a_column_per_metric():
    groups = pd.Series({"CNN": None, "D4": "D4"}, dtype=object)
    figure = sweep_curves(
        {"noise-x": measured(False), "exposure": measured(True)}, groups, ["CNN", "D4"], ["D4"]
    )
    assert len(figure.axes) == 6
    assert [len(axes.collections) for axes in figure.axes] == [1] * 6  # one band in each
    first, last = figure.axes[0], figure.axes[-1]
    line = next(line for line in first.lines if line.get_label() == "D4")
    np.testing.assert_allclose(line.get_xydata(), [[25, 0.5], [100, 0.8]])
    assert not first.xaxis_inverted() and last.xaxis_inverted()
    assert last.get_ylabel() == "ECE" and last.get_xlabel() == "exposure time left (%)"
    assert [text.get_text() for text in figure.legends[0].get_texts()] == ["CNN", "D4"]


def test_lines_look_as_in_the_other_figures_though_not_all_networks_were_swept():
    groups = pd.Series({"CNN": None, "D4": "D4", "D4-pretrained": "D4"}, dtype=object)
    axes = sweep_curves({"noise-x": measured(False)}, groups, ["CNN", "D4"], []).axes[0]
    drawn = {line.get_label(): line.get_color() for line in axes.lines}
    assert drawn == {name: line_styles(groups)[name]["color"] for name in ("CNN", "D4")}


def test_levels_that_are_some_times_each_other_have_a_logarithmic_axis():
    groups = pd.Series({"CNN": None, "D4": "D4"}, dtype=object)
    sweeps = {"noise": measured(False), "exposure": measured(True, logarithmic=True)}
    figure = sweep_curves(sweeps, groups, ["CNN", "D4"], [])
    assert [axes.get_xscale() for axes in figure.axes[::3]] == ["linear", "log"]
    assert figure.axes[-1].get_xticks().tolist() == [25, 100]
