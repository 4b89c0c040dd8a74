"""Accuracy against group order: the study's main figure."""

import math
from collections import Counter

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from equimorph.groups.names import is_group_name
from equimorph.report.figures.style import (
    FAMILY_COLOURS,
    FAMILY_LABELS,
    FAMILY_MARKERS,
    PLAIN_DASHES,
    WIDTH,
    family,
    shade,
    styled,
)
from equimorph.report.wording import condition_label

# Two families share the orders 4, 8 and 16: a small shift keeps their error bars apart.
_SHIFT = {"cyclic": 2**-0.07, "dihedral": 2**0.07}
_COLUMNS = 3
_BANDS = 2  # plain networks whose bands can still be told apart
_NEAR = 0.25  # of chance: the axis reaches down to zero
_VARIANT_MARKERS = ("^", "v", "P", "X", "*", "p")
_LEGEND_COLUMNS = 5


def accuracy_by_order(scores: pd.DataFrame, chance: float) -> Figure:
    """Draw one panel per condition: mean accuracy against group order, one series per family.

    Bars are standard deviations over seeds, small dots the seeds themselves. Plain networks have no
    group and are horizontal lines, with bands of one standard deviation while they are few. A model
    whose name is not its group (a variant) has an open marker of its own, beside the order of its
    group.

    Args:
        scores: one row per model, condition and seed, with the columns model, group (None for
            plain networks), group_order (infinite for SO2 and O2), condition, accuracy;
            conditions in display order.
        chance: accuracy of a blind guess, drawn as a dotted line where some network comes near it;
            elsewhere the axis begins below the lowest accuracy.
    """
    conditions = list(dict.fromkeys(scores["condition"]))
    finite = scores.loc[np.isfinite(scores["group_order"]), "group_order"]
    beyond = 2 * finite.max() if len(finite) else 2
    bottom = scores["accuracy"].min() - 0.06
    if bottom < chance + _NEAR:
        bottom = 0.0
    scores = scores.assign(group_order=scores["group_order"].replace(np.inf, beyond))
    columns = min(_COLUMNS, len(conditions))
    rows = math.ceil(len(conditions) / columns)
    with styled():
        figure = Figure(figsize=(WIDTH, 2.75 * rows + 0.7), layout="constrained")
        grid = figure.subplots(rows, columns, sharex=True, sharey=True, squeeze=False)
        for axes, condition in zip(grid.flat, conditions, strict=False):
            _draw_panel(axes, scores[scores["condition"] == condition])
            if bottom < chance:
                axes.axhline(chance, color="black", linestyle=":", linewidth=1, label="chance")
            axes.set_title(condition_label(condition))
        for axes in grid.flat[len(conditions) :]:
            axes.set_visible(False)
        for position, axes in enumerate(grid.flat[: len(conditions)]):
            if position % columns == 0:
                axes.set_ylabel("test accuracy")
            if position + columns >= len(conditions):
                axes.set_xlabel("group order")
                axes.tick_params(labelbottom=True)
        _format_axes(grid.flat[0], scores, beyond, bottom)
        handles, labels = grid.flat[0].get_legend_handles_labels()
        columns = min(len(labels), _LEGEND_COLUMNS)
        figure.legend(handles, labels, loc="outside upper center", ncols=columns)
    return figure


def _draw_panel(axes: Axes, scores: pd.DataFrame) -> None:
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


def _draw_bands(axes: Axes, scores: pd.DataFrame) -> None:
    colour = FAMILY_COLOURS["plain"]
    models = list(dict.fromkeys(scores["model"]))
    for number, model in enumerate(models):
        values = scores.loc[scores["model"] == model, "accuracy"]
        mean, sd = values.mean(), values.std(ddof=1)
        if len(values) > 1 and len(models) <= _BANDS:
            axes.axhspan(mean - sd, mean + sd, color=shade(colour, 0.25), linewidth=0, zorder=0.5)
        label = FAMILY_LABELS["plain"] if len(models) == 1 else model
        axes.axhline(
            mean,
            color=shade(colour, 1 - 0.5 * (number // len(PLAIN_DASHES) % 2)),
            linestyle=PLAIN_DASHES[number % len(PLAIN_DASHES)],
            linewidth=1.3,
            label=label,
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
    _draw_dots(axes, scores["accuracy"], scores["group_order"] * _SHIFT[name] ** 3, name)


def _draw_variants(axes: Axes, scores: pd.DataFrame, name: str) -> None:
    placed: Counter[float] = Counter()
    for number, (model, values) in enumerate(scores.groupby("model", sort=False)):
        order = values["group_order"].iloc[0]
        placed[order] += 1
        # The first stands clear of the series' own dots, the next ones farther out.
        position = order * _SHIFT[name] ** (3 + 2 * placed[order])
        axes.errorbar(
            position,
            values["accuracy"].mean(),
            yerr=values["accuracy"].std(ddof=1) if len(values) > 1 else None,
            color=FAMILY_COLOURS[name],
            linestyle="none",
            marker=_VARIANT_MARKERS[number % len(_VARIANT_MARKERS)],
            markerfacecolor="white",
            capsize=2.5,
            label=model,
        )
        _draw_dots(axes, values["accuracy"], position * _SHIFT[name], name)


def _draw_dots(axes: Axes, accuracy: pd.Series, orders: pd.Series | float, name: str) -> None:
    """Draw single seeds, beside the error bar, not under it."""
    axes.plot(
        np.broadcast_to(orders, accuracy.shape),
        accuracy,
        linestyle="none",
        marker=".",
        markersize=3.5,
        color=shade(FAMILY_COLOURS[name], 0.6),
        zorder=1.9,
    )


def _format_axes(axes: Axes, scores: pd.DataFrame, beyond: float, bottom: float) -> None:
    """Set the shared axes: orders as ticks on a log2 scale, accuracies from `bottom`."""
    orders = sorted({order for order in scores["group_order"] if order > 1}) or [1]
    axes.set_xscale("log", base=2)
    axes.set_xlim(orders[0] / 2**0.5, orders[-1] * 2**0.5)
    axes.set_xticks(orders, ["∞" if order == beyond else f"{order:.0f}" for order in orders])
    axes.minorticks_off()
    axes.set_ylim(bottom, min(1.0, scores["accuracy"].max() + 0.06))
