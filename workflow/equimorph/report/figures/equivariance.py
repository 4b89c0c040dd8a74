"""How logits and accuracy change when images are rotated or reflected."""

from typing import Any

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from equimorph.report.figures.lines import draw_seeds, panels_by_family
from equimorph.report.figures.style import styled

_METRICS = {"error": "relative error of the logits", "accuracy": "accuracy"}
# Rounding of float32: smaller errors, and that of no rotation, which is 0, are drawn here.
_FLOOR = 1e-8
# Where the reflected images stand, so far beside the angles that the labels do not touch.
_REFLECTED = 425
_TICKS = {0: "0", 90: "90", 180: "180", 270: "270", 360: "360", _REFLECTED: "reflected"}


def error_against_angle(measured: pd.DataFrame) -> Figure:
    """Draw error (logarithmic) and accuracy against the angle, one column per family of groups.

    Lines are means over seeds, bands run from the lowest to the highest seed; a circle at the right
    shows images reflected instead of rotated. Errors below 1e-8 are drawn at 1e-8. Plain networks
    are repeated in every column.

    Args:
        measured: one row per model, seed and angle, with the columns model, group (None for plain
            networks), seed, angle in degrees from 0 to below 360, reflected (whether the row is
            that of the reflected images), error, accuracy.
    """
    with styled():
        figure, grid = panels_by_family(measured, _METRICS, _draw_model)
        for errors, accuracies in grid.T:
            errors.set_yscale("log")
            errors.minorticks_off()
            accuracies.set_xlabel("rotation in degrees")
            accuracies.set_xticks(list(_TICKS), list(_TICKS.values()))
            accuracies.set_ylim(*_accuracies(measured["accuracy"]))
            accuracies.legend(loc="lower left", ncols=3)
    return figure


def _accuracies(values: pd.Series) -> tuple[float, float]:
    """Return the ends of the axis, with room for a legend below the lowest accuracy."""
    return max(0.0, values.min() - 0.25), min(1.0, values.max() + 0.05)


def _draw_model(axes: Axes, measured: pd.DataFrame, metric: str, style: dict[str, Any]) -> None:
    rotated = measured[~measured["reflected"]].pivot(index="angle", columns="seed", values=metric)
    rotated.loc[360] = rotated.loc[0]
    draw_seeds(axes, rotated.clip(lower=_FLOOR), style)
    axes.plot(
        _REFLECTED,
        measured.loc[measured["reflected"], metric].clip(lower=_FLOOR).mean(),
        linestyle="none",
        marker="o",
        markersize=5,
        markerfacecolor="none",
        color=style["color"],
    )
