"""How logits and accuracy change when images are rotated or reflected."""

from typing import Any

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from equimorph.report.figures.style import FAMILY_LABELS, WIDTH, families_of, line_styles, styled

_METRICS = {"error": "relative error of the logits", "accuracy": "accuracy"}
# Rounding of float32: smaller errors, and that of no rotation, which is 0, are drawn here.
_FLOOR = 1e-8
# Where the reflected images stand, beside the angles.
_REFLECTED = 405
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
    models = measured.drop_duplicates("model").set_index("model")["group"]
    families, styles = families_of(models), line_styles(models)
    columns = [f for f in ("cyclic", "dihedral") if f in families.values()] or ["plain"]
    with styled():
        figure = Figure(figsize=(WIDTH, 6.2), layout="constrained")
        grid = figure.subplots(2, len(columns), sharex=True, sharey="row", squeeze=False)
        for column, name in enumerate(columns):
            shown = [m for m, f in families.items() if f in ("plain", name)]
            for row, (metric, label) in enumerate(_METRICS.items()):
                axes = grid[row, column]
                for model in shown:
                    _draw_model(axes, measured[measured["model"] == model], metric, styles[model])
                if column == 0:
                    axes.set_ylabel(label)
            grid[0, column].set_yscale("log")
            grid[0, column].minorticks_off()
            grid[0, column].set_title(FAMILY_LABELS[name])
            grid[1, column].set_xlabel("rotation in degrees")
            grid[1, column].set_xticks(list(_TICKS), list(_TICKS.values()))
            grid[1, column].set_ylim(0, 1)
            grid[1, column].legend(loc="lower left", ncols=3)
    return figure


def _draw_model(axes: Axes, measured: pd.DataFrame, metric: str, style: dict[str, Any]) -> None:
    rotated = measured[~measured["reflected"]].pivot(index="angle", columns="seed", values=metric)
    rotated.loc[360] = rotated.loc[0]
    rotated = rotated.clip(lower=_FLOOR)
    axes.fill_between(
        rotated.index,
        rotated.min(axis=1),
        rotated.max(axis=1),
        color=style["color"],
        alpha=0.15,
        linewidth=0,
    )
    axes.plot(rotated.index, rotated.mean(axis=1), **style)
    axes.plot(
        _REFLECTED,
        measured.loc[measured["reflected"], metric].clip(lower=_FLOOR).mean(),
        linestyle="none",
        marker="o",
        markersize=5,
        markerfacecolor="none",
        color=style["color"],
    )
