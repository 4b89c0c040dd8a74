"""Reliability before and after temperature scaling, and the calibration error of each class."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from equimorph.report.figures.style import FAMILY_COLOURS, WIDTH, family, styled

_FILLING = {"before": "none", "after": "full"}


def before_and_after(
    networks: Mapping[str, Mapping[str, Any]], groups: Mapping[str, str | None]
) -> Figure:
    """Draw a reliability diagram for each network, and beside them the error of each class.

    Args:
        networks: by name, what `analyses.calibration.calibration_measures` returns.
        groups: group of each network, None for plain ones.
    """
    with styled():
        figure = Figure(figsize=(WIDTH, 3.4), layout="constrained")
        ratios = [1.0] * len(networks) + [1.35]
        *diagrams, classes = figure.subplots(
            1, len(networks) + 1, gridspec_kw={"width_ratios": ratios}
        )
        for axes, (name, one) in zip(diagrams, networks.items(), strict=True):
            _draw_diagram(axes, one, FAMILY_COLOURS[family(groups[name])])
            axes.set_title(f"{name}: T = {one['temperature']['mean']:.2f}")
        diagrams[0].set_ylabel("accuracy")
        _draw_classes(classes, networks, groups)
    return figure


def _draw_diagram(axes: Axes, one: Mapping[str, Any], colour: str) -> None:
    axes.plot([0, 1], [0, 1], ":", color="black", linewidth=1)
    for when, filling in _FILLING.items():
        bins = pd.DataFrame(one[when]["reliability"])
        bins = bins[bins["count"] > 0]
        axes.plot(
            bins["confidence"],
            bins["accuracy"],
            marker="o",
            markersize=4.5,
            fillstyle="full",
            markerfacecolor=colour if filling == "full" else "white",
            color=colour,
            linewidth=1,
            alpha=1 if filling == "full" else 0.6,
            label=f"{when}: ECE {one[when]['ece']['mean']:.3f}",
            clip_on=False,  # points at 0 and 1 are whole
        )
    axes.set_xlim(0, 1)
    axes.set_ylim(0, 1)
    axes.set_aspect("equal")
    axes.set_xlabel("confidence")
    axes.legend(loc="lower right", fontsize=8)


def _draw_classes(
    axes: Axes, networks: Mapping[str, Mapping[str, Any]], groups: Mapping[str, str | None]
) -> None:
    for number, (name, one) in enumerate(networks.items()):
        colour = FAMILY_COLOURS[family(groups[name])]
        before, after = (np.array(list(one[when]["classwise"].values())) for when in _FILLING)
        rows = np.arange(len(before)) + 0.3 * (number - (len(networks) - 1) / 2)
        axes.hlines(rows, before, after, color=colour, linewidth=1)
        axes.plot(before, rows, "o", color=colour, markerfacecolor="white", markersize=4.5)
        axes.plot(after, rows, "o", color=colour, markersize=4.5, label=name)
    axes.set_yticks(range(len(before)), one["after"]["classwise"], fontsize=8)
    axes.invert_yaxis()
    axes.set_xlim(left=0)
    axes.set_xlabel("calibration error of the class")
    axes.legend(loc="lower left", bbox_to_anchor=(0, 1), ncols=3, fontsize=8)
