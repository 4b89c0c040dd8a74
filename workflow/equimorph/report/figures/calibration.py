"""Reliability diagrams: does a stated 80 % come true in 80 % of cases?"""

import pandas as pd
from matplotlib.figure import Figure

from equimorph.report.figures.style import FAMILY_COLOURS, WIDTH, family, styled


def reliability_diagram(
    bins: dict[str, pd.DataFrame], groups: dict[str, str | None], ece: dict[str, float]
) -> Figure:
    """Draw accuracy against confidence per bin, above the share of predictions in each bin.

    A dot's area grows with the number of predictions in its bin.

    Args:
        bins: a table for each model, with the columns low, high, count, confidence and accuracy
            (NaN in empty bins).
        groups: group of each model, None for plain networks; it decides the colour.
        ece: expected calibration error of each model, for the title.
    """
    with styled():
        figure = Figure(figsize=(WIDTH, 4.9), layout="constrained")
        grid = figure.subplots(
            2,
            len(bins),
            sharex=True,
            sharey="row",
            squeeze=False,
            gridspec_kw={"height_ratios": [3, 1]},
        )
        for column, (model, table) in enumerate(bins.items()):
            colour = FAMILY_COLOURS[family(groups[model])]
            upper, lower = grid[:, column]
            filled = table[table["count"] > 0]
            upper.plot(
                [0, 1],
                [0, 1],
                color="black",
                linestyle=":",
                linewidth=1,
                label="perfectly calibrated",
            )
            upper.vlines(
                filled["confidence"],
                filled["confidence"],
                filled["accuracy"],
                color=colour,
                alpha=0.35,
                linewidth=4,
                label="gap",
            )
            upper.scatter(
                filled["confidence"],
                filled["accuracy"],
                s=14 + 500 * filled["count"] / filled["count"].sum(),
                color=colour,
                edgecolor="white",
                linewidth=0.6,
                zorder=3,
            )
            upper.set_title(f"{model}: ECE {ece[model]:.3f}")
            upper.set_ylim(-0.02, 1.02)
            upper.legend(loc="upper left")
            lower.bar(
                table["low"],
                table["count"] / table["count"].sum(),
                width=table["high"] - table["low"],
                align="edge",
                color=colour,
                edgecolor="white",
                linewidth=0.5,
            )
            lower.set_xlim(0, 1)
            lower.set_xlabel("confidence (top class probability)")
        grid[0, 0].set_ylabel("accuracy")
        grid[1, 0].set_ylabel("share of\npredictions")
    return figure
