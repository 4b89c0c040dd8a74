"""Latent spaces: flat maps by class, and what is measured of them by network."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.collections import PathCollection
from matplotlib.figure import Figure
from numpy.typing import NDArray

from equimorph.report.figures.style import (
    CLASS_COLOURS,
    CLASS_MARKERS,
    FAMILY_COLOURS,
    FAMILY_MARKERS,
    WIDTH,
    family,
    styled,
)
from equimorph.report.wording import condition_label

METHOD_NAMES = {"pca": "PCA", "tsne": "t-SNE", "isomap": "Isomap", "umap": "UMAP"}
_CONDITION_MARKERS = (*CLASS_MARKERS, "P", "X", "*", "p")
_MANY = 2000  # points of a panel, above which they are drawn as pixels


def latent_maps(
    shown: Mapping[str, Mapping[str, NDArray]], label: NDArray, classes: Sequence[str]
) -> Figure:
    """Draw the maps of networks (rows) by method (columns), a colour and a marker per class.

    Args:
        shown: by network and method, places (N, 2).
        label: (N,) true classes.
        classes: their names in label order.
    """
    methods = list(next(iter(shown.values())))
    with styled():
        size = (WIDTH - 1.7) / len(methods)
        figure = Figure(figsize=(WIDTH, len(shown) * size + 0.3), layout="constrained")
        grid = figure.subplots(len(shown), len(methods), squeeze=False)
        for panels, (model, maps) in zip(grid, shown.items(), strict=True):
            for axes, (method, places) in zip(panels, maps.items(), strict=True):
                _draw_map(axes, places, label, classes)
                axes.set_title(f"{model}: {METHOD_NAMES[method]}")
        handles, names = grid[0, 0].get_legend_handles_labels()
        legend = figure.legend(handles, names, loc="outside right center", fontsize=8)
        for handle in legend.legend_handles:
            if isinstance(handle, PathCollection):
                handle.set_sizes([18])  # points^2; those of many images are specks
    return figure


def _draw_map(axes: Axes, places: NDArray, label: NDArray, classes: Sequence[str]) -> None:
    size = float(np.clip(4000 / len(places), 2, 16))
    for number, name in enumerate(classes):
        x, y = places[label == number].T
        axes.scatter(
            x,
            y,
            s=size,
            color=CLASS_COLOURS[number % len(CLASS_COLOURS)],
            marker=CLASS_MARKERS[number % len(CLASS_MARKERS)],
            linewidth=0,
            alpha=0.8,
            label=name,
            rasterized=len(places) > _MANY,
        )
    axes.set_xticks([])
    axes.set_yticks([])
    axes.grid(False)
    axes.set_aspect("equal", adjustable="datalim")


def latent_numbers(measures: Mapping[str, Any], groups: Mapping[str, str | None]) -> Figure:
    """Draw purity, scatter of turns and distances of degraded images by network, with intervals.

    Args:
        measures: what `analyses.latent_measures` returns.
        groups: group of each network, None for plain ones.
    """
    networks = measures["networks"]
    conditions = list(next(iter(networks.values()))["distances"])
    with styled():
        figure = Figure(figsize=(WIDTH, 3.4), layout="constrained")
        panels = figure.subplots(1, 3, gridspec_kw={"width_ratios": [1, 1, 1.6]})
        for place, (name, one) in enumerate(networks.items()):
            style = family(groups[name])
            _draw_number(panels[0], place, one["purity"], style)
            _draw_number(panels[1], place, one["turn_scatter"], style)
            for number, condition in enumerate(conditions):
                shift = 0.7 * (number / max(len(conditions) - 1, 1) - 0.5)
                whole = one["distances"][condition]["all"]
                if whole is not None:  # an attack may have no victims
                    _draw_number(panels[2], place + shift, whole, style, number)
        for axes in panels:
            axes.set_xticks(range(len(networks)), networks, rotation=60 if len(networks) > 5 else 0)
            axes.set_xlim(-0.6, len(networks) - 0.4)
            axes.set_ylim(0, 1.06 * axes.get_ylim()[1])
            axes.grid(axis="x", visible=False)
        panels[0].set_title("neighbours of the same class")
        panels[1].set_title("scatter of turns")
        panels[2].set_title("distance of degraded images")
        for number, condition in enumerate(conditions):
            marker = _CONDITION_MARKERS[number % len(_CONDITION_MARKERS)]
            panels[2].plot([], [], marker, color="#777777", label=condition_label(condition))
        if conditions:
            figure.legend(loc="outside lower right", ncols=len(conditions), fontsize=8)
    return figure


def _draw_number(
    axes: Axes, place: float, measured: Mapping[str, Any], style: str, number: int | None = None
) -> None:
    mean, bounds = measured["mean"], measured["ci95"] or [measured["mean"]] * 2
    axes.errorbar(
        place,
        mean,
        yerr=[[max(mean - bounds[0], 0)], [max(bounds[1] - mean, 0)]],
        color=FAMILY_COLOURS[style],
        marker=FAMILY_MARKERS[style]
        if number is None
        else _CONDITION_MARKERS[number % len(_CONDITION_MARKERS)],
        markersize=4.5,
        capsize=2,
        linewidth=1.1,
    )
