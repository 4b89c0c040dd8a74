"""Equivariance audit: how logits and accuracy follow when images turn."""

from typing import Any

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from equimorph.report.figures.style import FAMILY_LABELS, WIDTH, families_of, line_styles, styled

_MEASURES = {"error": "relative error of the logits", "accuracy": "accuracy"}
# Rounding of float32: smaller errors, and that of no rotation, which is 0, are drawn here.
_FLOOR = 1e-8
# Where the images swapped left to right stand, beside the angles.
_REFLECTED = 405
_TICKS = {0: "0", 90: "90", 180: "180", 270: "270", 360: "360", _REFLECTED: "mirror\nimage"}


def error_against_angle(audits: pd.DataFrame) -> Figure:
    """Draw error (logarithmic) and accuracy against the angle, one column per family of groups.

    Lines are means over seeds, bands run from the lowest to the highest seed; a circle at the right
    shows images swapped left to right instead of turned. Errors below 1e-8 are drawn at 1e-8. Plain
    networks are repeated in every column.

    Args:
        audits: one row per model, seed and angle, with the columns model, group (None for plain
            networks), seed, angle in degrees from 0 to below 360, reflected (whether the row is
            that of the mirror image), error, accuracy.
    """
    models = audits.drop_duplicates("model").set_index("model")["group"]
    families, styles = families_of(models), line_styles(models)
    columns = [f for f in ("cyclic", "dihedral") if f in families.values()] or ["plain"]
    with styled():
        figure = Figure(figsize=(WIDTH, 6.2), layout="constrained")
        grid = figure.subplots(2, len(columns), sharex=True, sharey="row", squeeze=False)
        for column, name in enumerate(columns):
            shown = [m for m, f in families.items() if f in ("plain", name)]
            for row, (measure, label) in enumerate(_MEASURES.items()):
                axes = grid[row, column]
                for model in shown:
                    _draw_model(axes, audits[audits["model"] == model], measure, styles[model])
                if column == 0:
                    axes.set_ylabel(label)
            grid[0, column].set_yscale("log")
            grid[0, column].set_title(FAMILY_LABELS[name])
            grid[1, column].set_xlabel("rotation in degrees")
            grid[1, column].set_xticks(list(_TICKS), list(_TICKS.values()))
            grid[1, column].set_ylim(0, 1)
            grid[1, column].legend(loc="lower left", ncols=3)
    return figure


def _draw_model(axes: Axes, audits: pd.DataFrame, measure: str, style: dict[str, Any]) -> None:
    turned = audits[~audits["reflected"]].pivot(index="angle", columns="seed", values=measure)
    turned.loc[360] = turned.loc[0]
    turned = turned.clip(lower=_FLOOR)
    axes.fill_between(
        turned.index,
        turned.min(axis=1),
        turned.max(axis=1),
        color=style["color"],
        alpha=0.15,
        linewidth=0,
    )
    axes.plot(turned.index, turned.mean(axis=1), **style)
    axes.plot(
        _REFLECTED,
        audits.loc[audits["reflected"], measure].clip(lower=_FLOOR).mean(),
        linestyle="none",
        marker="o",
        markersize=5,
        markerfacecolor="none",
        color=style["color"],
    )
