"""Accuracy against group order: a panel per condition, a series per family."""

import numpy as np
import pytest
from matplotlib.container import ErrorbarContainer

from equimorph.report.figures.accuracy import accuracy_by_order
from equimorph.report.figures.style import (
    FAMILY_COLOURS,
)

from .numbers import ORDERS, scores


def panels(figure):
    return [axes for axes in figure.axes if axes.get_visible()]


def error_bars(axes):
    return {c.get_label(): c for c in axes.containers if isinstance(c, ErrorbarContainer)}


def test_accuracy_has_a_panel_per_condition_and_a_series_per_family():
    figure = accuracy_by_order(scores(), 0.1)
    assert [axes.get_title(loc="left") for axes in panels(figure)] == [
        "clean",
        "noise 50\N{NO-BREAK SPACE}%",
    ]
    axes = panels(figure)[0]
    assert axes.get_xscale() == "log"
    series = {c.lines[0].get_color(): c for c in error_bars(axes).values()}
    line = series[FAMILY_COLOURS["dihedral"]].lines[0]
    np.testing.assert_allclose(
        line.get_ydata(orig=False), [0.6, 0.84]
    )  # D4 and D16, means of three seeds
    np.testing.assert_allclose(line.get_xdata(orig=False), [8, 32], rtol=0.1)
    bars = series[FAMILY_COLOURS["cyclic"]].lines[2][0].get_segments()
    np.testing.assert_allclose([np.ptp(bar[:, 1]) for bar in bars], 2 * 0.02)  # mean ± sd
    heights = {round(line.get_ydata()[0], 6) for line in axes.lines if len(line.get_ydata()) == 2}
    assert {0.1, 0.53} <= heights  # chance and the plain network
    dots = [line for line in axes.lines if line.get_marker() == "."]
    assert sorted(len(line.get_ydata()) for line in dots) == [6, 6]  # every seed is shown
    assert len(axes.patches) == 1  # the plain network's band


def test_one_seed_has_neither_bars_nor_band():
    axes = panels(accuracy_by_order(scores(seeds=1), 0.1))[0]
    assert not axes.patches
    assert not any(c.has_yerr for c in error_bars(axes).values())


def test_variants_stand_apart_from_the_series_and_from_one_another():
    models = {**ORDERS, "D4-wide": ("D4", 8), "D4-flatten": ("D4", 8)}
    axes = panels(accuracy_by_order(scores(models=models), 0.1))[0]
    bars = error_bars(axes)
    assert max(len(c.lines[0].get_xdata()) for c in bars.values()) == 2
    wide, flat = (bars[name].lines[0] for name in ("D4-wide", "D4-flatten"))
    assert 8 < wide.get_xdata()[0] < flat.get_xdata()[0] < 16
    assert wide.get_marker() != flat.get_marker()


def test_plain_networks_have_lines_that_can_be_told_apart():
    plain = ("CNN", "CNN-orbit", "ResNet18", "ViT")
    figure = accuracy_by_order(scores(models=dict.fromkeys(plain, (None, 1))), 0.1)
    lines = {line.get_label(): line for line in panels(figure)[0].lines}
    assert len({str(lines[name]._unscaled_dash_pattern) for name in plain}) == 4
    assert [text.get_text() for text in figure.legends[0].texts] == [*plain, "chance"]


def test_the_axis_begins_at_zero_where_some_network_comes_near_chance():
    low, high = scores(), scores().assign(accuracy=lambda table: table["accuracy"] + 0.15)
    near, far = accuracy_by_order(low, 0.1), accuracy_by_order(high, 0.1)
    assert panels(near)[0].get_ylim()[0] == 0
    assert panels(far)[0].get_ylim()[0] == pytest.approx(high["accuracy"].min() - 0.06)
    named = [[text.get_text() for text in figure.legends[0].texts] for figure in (near, far)]
    assert ["chance" in names for names in named] == [True, False]
