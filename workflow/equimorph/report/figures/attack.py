"""One-pixel attacks: how often they succeed, what classes turn into, and what they look like."""

import textwrap
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

from equimorph.report.figures.style import (
    FAMILY_COLOURS,
    FAMILY_LABELS,
    FAMILY_MARKERS,
    WIDTH,
    family,
    styled,
)
from equimorph.report.wording import percent

_OFFSET = 0.17  # of the second method, in units of the distance between two networks
_LEAST_COLUMNS = 4  # few victims shall not be shown larger
_LINE = 20  # letters of a title
_LETTERS = 22  # of all names under the rates, above which they lean
_MARK = "#f5d400"  # seen on a dark sky and on a galaxy


def attack_rates(
    rates: pd.DataFrame, groups: Mapping[str, str | None], changes: NDArray, classes: list[str]
) -> Figure:
    """Draw success rates by network, and beside them which classes turn into which.

    Args:
        rates: rows with the columns method, model, rate, ci95_low, ci95_high; the first method is
            drawn filled, the second open.
        groups: group of each network, None for plain ones.
        changes: (C, C) successes by true class (rows) and predicted class, of all networks.
        classes: the C class names in label order.
    """
    methods = list(dict.fromkeys(rates["method"]))
    models = list(dict.fromkeys(rates["model"]))
    with styled():
        figure = Figure(figsize=(WIDTH, 4.6), layout="constrained")
        left, right = figure.subplots(1, 2, gridspec_kw={"width_ratios": [1, 1.05]})
        for number, method in enumerate(methods):
            one = rates[rates["method"] == method].set_index("model")
            for place, model in enumerate(models):
                _draw_rate(left, one.loc[model], place + number * _OFFSET, groups[model], number)
        left.set_xticks(np.arange(len(models)) + _OFFSET * (len(methods) - 1) / 2, models)
        if len("".join(models)) > _LETTERS:
            left.tick_params(axis="x", rotation=60)
        left.set_ylabel("common victims that one pixel changes (%)")
        left.set_xlim(-0.6, len(models) - 0.4 + _OFFSET * (len(methods) - 1))
        left.set_ylim(bottom=0)
        left.grid(axis="x", visible=False)
        _name(left, sorted({family(groups[model]) for model in models}), methods)
        _draw_changes(right, changes, classes)
    return figure


def _draw_rate(axes: Axes, row: pd.Series, place: float, group: str | None, number: int) -> None:
    colour, marker = FAMILY_COLOURS[family(group)], FAMILY_MARKERS[family(group)]
    below, above = row["rate"] - row["ci95_low"], row["ci95_high"] - row["rate"]
    drawn = axes.errorbar(
        place,
        100 * row["rate"],
        yerr=[[100 * max(below, 0)], [100 * max(above, 0)]],
        color=colour,
        marker=marker,
        markersize=5,
        markerfacecolor=colour if number == 0 else "white",
        capsize=2.5,
        linewidth=1.2,
    )
    for artist in drawn.get_children():
        artist.set_clip_on(False)  # points at 0 and 100 % are whole


def _name(axes: Axes, families: Sequence[str], methods: Sequence[str]) -> None:
    """Name families by colour, methods by filling."""
    for name in families:
        axes.plot(
            [], [], FAMILY_MARKERS[name], color=FAMILY_COLOURS[name], label=FAMILY_LABELS[name]
        )
    if len(methods) > 1:
        for method, filling in zip(methods, ("#777777", "white"), strict=False):
            axes.plot([], [], "o", color="#777777", markerfacecolor=filling, label=method)
    axes.legend(loc="lower left", bbox_to_anchor=(0, 1), ncols=2, fontsize=8)


def _draw_changes(axes: Axes, changes: NDArray, classes: list[str]) -> None:
    true, predicted = np.nonzero(changes)
    counts = changes[true, predicted]
    axes.plot([-0.5, len(classes) - 0.5], [-0.5, len(classes) - 0.5], ":", color="#bbbbbb")
    axes.scatter(
        predicted,
        true,
        s=380 * counts / max(counts.max(initial=1), 1),
        color="#009e73",
        alpha=0.45,
        linewidth=0,
    )
    for x, y, count in zip(predicted, true, counts, strict=True):
        axes.text(float(x), float(y), f"{count}", ha="center", va="center", fontsize=7)
    numbers = range(len(classes))
    axes.set_xticks(numbers, classes, rotation=45, ha="right", rotation_mode="anchor", fontsize=7.5)
    axes.set_yticks(numbers, classes, fontsize=7.5)
    axes.set_xlim(-0.7, len(classes) - 0.3)
    axes.set_ylim(len(classes) - 0.3, -0.7)
    axes.set_xlabel("predicted after the attack")
    axes.set_ylabel("true class")


def attack_examples(rows: Mapping[str, Sequence[Mapping[str, Any]]], classes: list[str]) -> Figure:
    """Draw attacked images, a row per network, with a ring around the pixel.

    Args:
        rows: by network, images with the keys image (S, S, 3) uint8, as attacked; row, column;
            success, label, predicted, probability (what is left of the true class).
        classes: class names in label order.
    """
    columns = max(_LEAST_COLUMNS, *map(len, rows.values()))
    with styled():
        size = WIDTH / columns
        figure = Figure(figsize=(WIDTH, len(rows) * (size + 0.8)), layout="constrained")
        grid = figure.subplots(len(rows), columns, squeeze=False)
        for axes in grid.flat:
            axes.axis("off")
        for (model, shown), panels in zip(rows.items(), grid, strict=True):
            for axes, one in zip(panels, shown, strict=False):
                _draw_example(axes, one, classes)
            panels[0].set_title(f"{model}\n{panels[0].get_title(loc='left')}", fontsize=8)
    return figure


def _draw_example(axes: Axes, one: Mapping[str, Any], classes: list[str]) -> None:
    axes.imshow(one["image"], interpolation="none")
    axes.plot(
        one["column"], one["row"], "o", markersize=11, markerfacecolor="none", color=_MARK, mew=1.3
    )
    became = f"→ {classes[one['predicted']]}" if one["success"] else "withstands"
    left = f"{percent(one['probability'], 0)} % left"
    lines = [textwrap.fill(line, _LINE) for line in (classes[one["label"]], became, left)]
    axes.set_title("\n".join(lines), fontsize=8)
