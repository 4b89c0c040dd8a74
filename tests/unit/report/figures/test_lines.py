"""Models as lines: plain networks in every column, seeds as a band."""

import numpy as np
import pandas as pd
import pytest
from matplotlib.figure import Figure

from equimorph.report.figures.lines import draw_seeds, panels_by_family
from equimorph.report.figures.style import FAMILY_LABELS

METRICS = {"accuracy": "accuracy", "loss": "loss (nats)"}


def drawn(groups):
    """Draw models that have these groups; return the figure, its grid, and what was drawn where."""
    table = pd.DataFrame({"model": list(groups), "group": list(groups.values())})
    seen = {}

    def draw(axes, rows, metric, style):
        assert list(rows["model"]) == [style["label"]]
        seen.setdefault((axes, metric), []).append(style["label"])

    figure, grid = panels_by_family(table, METRICS, draw)
    return figure, grid, seen


def test_a_column_per_family_and_a_row_per_metric():
    _, grid, seen = drawn({"CNN": None, "C4": "C4", "D4": "D4", "C8": "C8"})
    assert grid.shape == (2, 2) and len(seen) == 4
    for row, metric in enumerate(METRICS):
        assert seen[grid[row, 0], metric] == ["CNN", "C4", "C8"]
        assert seen[grid[row, 1], metric] == ["CNN", "D4"]
        assert grid[row, 0].get_ylabel() == METRICS[metric] and not grid[row, 1].get_ylabel()
    assert [axes.get_title() for axes in grid[0]] == [
        FAMILY_LABELS[name] for name in ("cyclic", "dihedral")
    ]


def test_plain_networks_alone_have_one_column():
    _, grid, seen = drawn({"CNN": None, "ViT": None})
    assert grid.shape == (2, 1)
    assert seen[grid[0, 0], "accuracy"] == ["CNN", "ViT"]


def test_the_line_is_the_mean_and_the_band_reaches_from_seed_to_seed():
    axes = Figure().subplots()
    by_seed = pd.DataFrame({0: [0.1, 0.4], 1: [0.3, 0.8]}, index=[1, 2])
    draw_seeds(axes, by_seed, {"label": "C4", "color": "#0072b2", "linestyle": "-"})
    (line,), (band,) = axes.lines, axes.collections
    np.testing.assert_allclose(line.get_xydata(), [(1, 0.2), (2, 0.6)])
    corners = band.get_paths()[0].vertices
    assert (corners.min(axis=0), corners.max(axis=0)) == (
        pytest.approx([1, 0.1]),
        pytest.approx([2, 0.8]),
    )
