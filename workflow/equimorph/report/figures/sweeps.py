"""Sweeps: metrics against the level of a degradation, a row per sweep, a column per metric."""

from collections.abc import Collection, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, MaxNLocator, NullFormatter
from numpy.typing import NDArray

from equimorph.report.figures.style import WIDTH, line_styles, styled
from equimorph.report.wording import condition_label

_METRICS = {"accuracy": "accuracy", "macro_f1": "macro-F1", "ece": "ECE"}
_ROW = 1.75  # inches


def sweep_curves(
    measures: Mapping[str, Any], groups: pd.Series, shown: Sequence[str], banded: Collection[str]
) -> Figure:
    """Draw each network's curve, of some with the 95 % interval as a band; worse is to the right.

    Args:
        measures: by sweep, what `analyses.sweep_measures` returns, and `axis`.
        groups: group of each network of the study (None for plain ones), indexed by name, in
            display order, so that lines look as they do in the other figures.
        shown: the networks that were swept.
        banded: those whose intervals are drawn; more than a few bands hide each other.
    """
    styles = line_styles(groups)
    with styled():
        figure = Figure(figsize=(WIDTH, _ROW * len(measures) + 0.5), layout="constrained")
        grid = figure.subplots(len(measures), len(_METRICS), squeeze=False, sharey="col")
        for panels, (name, measured) in zip(grid, measures.items(), strict=True):
            for axes, (metric, label) in zip(panels, _METRICS.items(), strict=True):
                for model in shown:
                    points = measured["networks"][model][metric]
                    _draw(axes, measured, points, styles[model], model in banded)
                axes.set_xlabel(measured["axis"]["label"], fontsize=8, labelpad=1)
                axes.set_ylabel(label, fontsize=8)
                axes.tick_params(labelsize=8)
                _scale(axes, measured)
                if measured["axis"]["falling"]:
                    axes.invert_xaxis()
            panels[0].set_title(condition_label(name), fontsize=9)
        for axes in grid.flat:
            axes.set_ylim(bottom=0)
        handles, labels = grid.flat[0].get_legend_handles_labels()
        figure.legend(handles, labels, loc="outside upper center", ncols=min(len(labels), 9))
    return figure


def _scale(axes: Axes, measured: Mapping[str, Any]) -> None:
    if measured["axis"]["logarithmic"]:
        axes.set_xscale("log")
        axes.set_xticks(_in_units(measured))
        axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
        axes.xaxis.set_minor_formatter(NullFormatter())
    else:
        axes.xaxis.set_major_locator(MaxNLocator(5))


def _in_units(measured: Mapping[str, Any]) -> NDArray:
    return np.array(measured["values"]) * (100 if measured["axis"]["percent"] else 1)


def _draw(
    axes: Axes,
    measured: Mapping[str, Any],
    points: Sequence[Mapping[str, Any]],
    style: dict[str, Any],
    banded: bool,
) -> None:
    values = _in_units(measured)
    if banded:
        low, high = np.array([point["ci95"] for point in points]).T
        axes.fill_between(values, low, high, color=style["color"], alpha=0.15, linewidth=0)
    axes.plot(values, [point["mean"] for point in points], marker=".", markersize=4, **style)
