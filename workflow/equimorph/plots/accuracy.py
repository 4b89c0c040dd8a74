"""Accuracy against group order: the study's main figure."""

import math

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from equimorph.evaluation.wording import condition_label
from equimorph.groups.names import is_group_name
from equimorph.plots.style import (
    FAMILY_COLOURS,
    FAMILY_LABELS,
    FAMILY_MARKERS,
    WIDTH,
    family,
    shade,
    styled,
)

# Two families share the orders 4, 8 and 16: a small shift keeps their error bars apart.
_SHIFT = {"cyclic": 2**-0.07, "dihedral": 2**0.07}
_COLUMNS = 3
_BANDS = 2  # plain networks whose bands can still be told apart


def accuracy_by_order(scores: pd.DataFrame, chance: float) -> Figure:
    """Draw one panel per condition: mean accuracy against group order, one series per family.

    Bars are standard deviations over seeds, small dots the seeds themselves. Plain networks have
    no group and lie as horizontal lines, with bands of one standard deviation while they are few.
    A model whose name is not its group (a variant) is a separate open marker with its name.

    Args:
        scores: one row per model, condition and seed, with the columns model, group (None for
            plain networks), group_order (infinite for SO2 and O2), condition, accuracy;
            conditions in display order.
        chance: accuracy of a blind guess, drawn as a dotted line.
    """
    conditions = list(dict.fromkeys(scores["condition"]))
    finite = scores.loc[np.isfinite(scores["group_order"]), "group_order"]
    beyond = 2 * finite.max() if len(finite) else 2
    scores = scores.assign(group_order=scores["group_order"].replace(np.inf, beyond))
    columns = min(_COLUMNS, len(conditions))
    rows = math.ceil(len(conditions) / columns)
    with styled():
        figure = Figure(figsize=(WIDTH, 2.75 * rows + 0.7), layout="constrained")
        grid = figure.subplots(rows, columns, sharex=True, sharey=True, squeeze=False)
        for axes, condition in zip(grid.flat, conditions, strict=False):
            _draw_panel(axes, scores[scores["condition"] == condition], chance)
            axes.set_title(condition_label(condition))
        for axes in grid.flat[len(conditions) :]:
            axes.set_visible(False)
        for position, axes in enumerate(grid.flat[: len(conditions)]):
            if position % columns == 0:
                axes.set_ylabel("test accuracy")
            if position + columns >= len(conditions):
                axes.set_xlabel("group order")
                axes.tick_params(labelbottom=True)
        _format_axes(grid.flat[0], scores, beyond)
        handles, labels = grid.flat[0].get_legend_handles_labels()
        figure.legend(handles, labels, loc="outside upper center", ncols=len(labels))
    return figure


def _draw_panel(axes: Axes, scores: pd.DataFrame, chance: float) -> None:
    families = scores["group"].map(lambda group: family(None if pd.isna(group) else group))
    for name in ("plain", "cyclic", "dihedral"):
        inside = scores[families == name]
        if inside.empty:
            continue
        if name == "plain":
            _draw_bands(axes, inside)
        else:
            named = (inside["model"] == inside["group"]) & inside["model"].map(is_group_name)
            _draw_series(axes, inside[named], name)
            _draw_variants(axes, inside[~named], name)
    axes.axhline(chance, color="black", linestyle=":", linewidth=1, label="chance")


def _draw_bands(axes: Axes, scores: pd.DataFrame) -> None:
    colour = FAMILY_COLOURS["plain"]
    dashes = ("--", "-.", (0, (6, 1, 1, 1, 1, 1)))
    models = list(dict.fromkeys(scores["model"]))
    for number, model in enumerate(models):
        values = scores.loc[scores["model"] == model, "accuracy"]
        mean, sd = values.mean(), values.std(ddof=1)
        if len(values) > 1 and len(models) <= _BANDS:
            axes.axhspan(mean - sd, mean + sd, color=shade(colour, 0.25), linewidth=0, zorder=0.5)
        label = FAMILY_LABELS["plain"] if len(models) == 1 else model
        axes.axhline(
            mean, color=colour, linestyle=dashes[number % len(dashes)], linewidth=1.3, label=label
        )


def _draw_series(axes: Axes, scores: pd.DataFrame, name: str) -> None:
    if scores.empty:
        return
    table = scores.groupby("group_order")["accuracy"].agg(["mean", "std"])
    axes.errorbar(
        table.index * _SHIFT[name],
        table["mean"],
        yerr=None if table["std"].isna().all() else table["std"],
        color=FAMILY_COLOURS[name],
        marker=FAMILY_MARKERS[name],
        markersize=5,
        capsize=2.5,
        label=FAMILY_LABELS[name],
    )
    _draw_seeds(axes, scores, name)


def _draw_variants(axes: Axes, scores: pd.DataFrame, name: str) -> None:
    if scores.empty:
        return
    for model, values in scores.groupby("model", sort=False):
        position = (values["group_order"].iloc[0] * _SHIFT[name], values["accuracy"].mean())
        axes.errorbar(
            *position,
            yerr=values["accuracy"].std(ddof=1) if len(values) > 1 else None,
            color=FAMILY_COLOURS[name],
            marker=FAMILY_MARKERS[name],
            markerfacecolor="white",
            capsize=2.5,
        )
        axes.annotate(model, position, (5, 5), textcoords="offset points", fontsize=7)
    _draw_seeds(axes, scores, name)


def _draw_seeds(axes: Axes, scores: pd.DataFrame, name: str) -> None:
    axes.plot(
        scores["group_order"] * _SHIFT[name] ** 3,  # beside the error bar, not under it
        scores["accuracy"],
        linestyle="none",
        marker=".",
        markersize=3.5,
        color=shade(FAMILY_COLOURS[name], 0.6),
        zorder=1.9,
    )


def _format_axes(axes: Axes, scores: pd.DataFrame, beyond: float) -> None:
    """Set the shared axes: orders as ticks on a log2 scale, accuracies from zero."""
    orders = sorted({order for order in scores["group_order"] if order > 1}) or [1]
    axes.set_xscale("log", base=2)
    axes.set_xlim(orders[0] / 2**0.5, orders[-1] * 2**0.5)
    axes.set_xticks(orders, ["∞" if order == beyond else f"{order:.0f}" for order in orders])
    axes.minorticks_off()
    axes.set_ylim(0, min(1.0, scores["accuracy"].max() + 0.06))
