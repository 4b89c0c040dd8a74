"""What the data look like by class, and how well each class is found by each network."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from equimorph.report.figures.style import (
    CLASS_COLOURS,
    CLASS_MARKERS,
    WIDTH,
    styled,
)

# By column of the table: label with its unit, and whether its axis is logarithmic.
MEASURES = {
    "redshift": ("redshift", False),
    "mean": ("mean pixel value", False),
    "signal_to_noise": ("signal-to-noise per px", True),
    "radius": ("half-light radius (arcsec)", True),
    "colour": ("colour (R − B) / (R + B)", False),
}


# Of all galaxies: a single redshift of 1.4 would leave a tenth of the axis for the others.
_SHOWN = (0.001, 0.999)


def galaxies_by_class(galaxies: pd.DataFrame, classes: Sequence[str]) -> Figure:
    """Draw a violin per class and measure; a bar is the median.

    Args:
        galaxies: rows with the columns label and those of `MEASURES`; NaN where unknown.
        classes: names in label order.
    """
    shown = [name for name in MEASURES if galaxies[name].notna().any()]
    with styled():
        figure = Figure(figsize=(WIDTH, 3.6), layout="constrained")
        panels = figure.subplots(1, len(shown), sharey=True, squeeze=False)[0]
        for axes, name in zip(panels, shown, strict=True):
            _draw_violins(axes, galaxies, name, len(classes))
        panels[0].set_yticks(range(len(classes)), classes, fontsize=8)
        panels[0].invert_yaxis()
    return figure


def _draw_violins(axes: Axes, galaxies: pd.DataFrame, name: str, classes: int) -> None:
    label, logarithmic = MEASURES[name]
    values = galaxies[name].where(galaxies[name] > 0) if logarithmic else galaxies[name]
    values = np.log10(values) if logarithmic else values
    for number in range(classes):
        own = values[galaxies["label"] == number].dropna().to_numpy()
        if len(own) < 2 or np.ptp(own) == 0:
            continue
        parts: Any = axes.violinplot(
            own,
            [number],
            orientation="horizontal",
            widths=0.85,
            showmedians=True,
            showextrema=False,
            points=40,
        )
        for body in parts["bodies"]:
            body.set(facecolor=CLASS_COLOURS[number % len(CLASS_COLOURS)], alpha=0.75)
        parts["cmedians"].set(color="black", linewidth=1.2)
    known = values.dropna()
    if len(known):
        low, high = np.quantile(known, _SHOWN)
        margin = 0.04 * (high - low) or 0.5
        axes.set_xlim(low - margin, high + margin)
    axes.set_xlabel(label, fontsize=8)
    axes.tick_params(labelsize=8)
    axes.grid(axis="y", visible=False)
    if logarithmic:
        low, high = axes.get_xlim()
        ticks = [t for t in (0.1, 0.3, 1, 3, 10, 30, 100, 300) if low <= np.log10(t) <= high]
        axes.set_xticks(np.log10(ticks), [f"{tick:g}" for tick in ticks])


def class_scores(
    scores: Mapping[str, Mapping[str, Mapping[str, float | None]]], classes: Sequence[str]
) -> Figure:
    """Draw F1 of each class and network as a heat map, and precision against recall.

    Args:
        scores: by network and class, precision, recall and f1; None without a true image.
        classes: names in label order.
    """
    f1 = np.array(
        [[_number(by_name[label]["f1"]) for by_name in scores.values()] for label in classes]
    )
    with styled():
        figure = Figure(figsize=(WIDTH, 4.7), layout="constrained")
        left, right = figure.subplots(1, 2, gridspec_kw={"width_ratios": [1.35, 1]})
        left.imshow(f1, cmap="Blues", vmin=0, vmax=1, aspect="auto")
        for (row, column), value in np.ndenumerate(f1):
            if not np.isnan(value):
                colour = "white" if value > 0.6 else "#222222"
                text = f"{100 * value:.0f}"
                left.text(column, row, text, ha="center", va="center", fontsize=7.5, color=colour)
        left.set_xticks(range(len(scores)), scores, rotation=45 if len(scores) > 6 else 0)
        left.set_yticks(range(len(classes)), classes, fontsize=8)
        left.tick_params(length=0)
        left.grid(False)
        left.spines[:].set_visible(False)
        left.set_title("F1 (%)")
        for number, label in enumerate(classes):
            points = [by_name[label] for by_name in scores.values()]
            right.plot(
                [_number(point["recall"]) for point in points],
                [_number(point["precision"]) for point in points],
                linestyle="none",
                marker=CLASS_MARKERS[number % len(CLASS_MARKERS)],
                markersize=4.5,
                color=CLASS_COLOURS[number % len(CLASS_COLOURS)],
                alpha=0.85,
                label=label,
            )
        right.set_xlim(-0.03, 1.03)
        right.set_ylim(-0.03, 1.03)
        right.set_xlabel("recall")
        right.set_ylabel("precision")
        figure.legend(loc="outside lower center", ncols=5, fontsize=8)
    return figure


def _number(value: float | None) -> float:
    return np.nan if value is None else value
