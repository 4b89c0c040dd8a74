"""Explanations: where networks look, clean and degraded side by side, and their feature maps."""

import textwrap
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine
from numpy.typing import NDArray

from equimorph.report.figures.style import WIDTH, styled
from equimorph.report.wording import condition_label

_OPACITY = 0.55
_LETTERS = 11  # of a class name above or below one image


def explanations(shown: Mapping[str, Mapping[str, Any]], classes: Sequence[str]) -> Figure:
    """Draw test images in columns, and below them each network's maps under each condition.

    Args:
        shown: by network, what its explanation file holds: conditions, images (K, N, 3, S, S),
            maps (K, N, S, S), predicted (K, N), label (N,).
        classes: class names in label order.
    """
    first = next(iter(shown.values()))
    conditions, label = [str(name) for name in first["conditions"]], first["label"]
    rows = 1 + len(shown) * len(conditions)
    with styled():
        cell = WIDTH / (len(label) + 1.1)
        names = [textwrap.fill(name, _LETTERS) for name in classes]
        lines = 1 + max(name.count("\n") for name in names)
        height = rows * cell * 1.13 + 0.09 * (rows - 1) * (lines - 1) + 0.3
        figure = Figure(figsize=(WIDTH, height), layout=_dense())
        grid = figure.subplots(rows, len(label), squeeze=False)
        for column, (axes, true) in enumerate(zip(grid[0], label, strict=True)):
            _draw(axes, first["images"][0][column])
            axes.set_title(names[true], fontsize=7.5, loc="center")
        _name(grid[0, 0], f"image\n({condition_label(conditions[0])})")
        panels = iter(grid[1:])
        for model, one in shown.items():
            for number, condition in enumerate(conditions):
                row = next(panels)
                for column, axes in enumerate(row):
                    _draw(axes, one["images"][number][column], one["maps"][number][column])
                    said = one["predicted"][number][column]
                    wrong = said != label[column]
                    axes.set_xlabel(
                        names[said] if wrong else "right",
                        fontsize=6.5,
                        color="#b3261e" if wrong else "#59626c",
                        labelpad=1.5,
                    )
                _name(row[0], f"{model}\n{condition_label(condition)}")
    return figure


def _dense() -> ConstrainedLayoutEngine:
    return ConstrainedLayoutEngine(w_pad=0.01, h_pad=0.01, wspace=0.01, hspace=0.01)


def _name(axes: Axes, text: str) -> None:
    axes.set_ylabel(text, rotation=0, ha="right", va="center", fontsize=8)


def _draw(axes: Axes, image: NDArray, heat: NDArray | None = None) -> None:
    pixels = image.transpose(1, 2, 0).astype(float) / 255
    if heat is None:
        axes.imshow(pixels, interpolation="none")
    else:
        # The image in grey, so that colour is the map's alone.
        axes.imshow(pixels.mean(axis=2), cmap="gray", vmin=0, vmax=1, interpolation="none")
        axes.imshow(
            heat.astype(float), cmap="inferno", vmin=0, vmax=1, alpha=_OPACITY, interpolation="none"
        )
    axes.set_xticks([])
    axes.set_yticks([])
    axes.spines[:].set_visible(False)


def feature_map_sheet(
    shown: Mapping[str, Mapping[str, NDArray]], image: NDArray, turns: Sequence[int]
) -> Figure:
    """Draw an image at quarter turns, and below it mean feature maps of networks.

    Args:
        shown: by network and place, such as `first`, maps (turns, h, h).
        image: (3, S, S) uint8.
        turns: angles in degrees, anticlockwise.
    """
    columns = [(model, place) for model, maps in shown.items() for place in maps]
    with styled():
        cell = WIDTH / (len(columns) + 2)
        figure = Figure(figsize=(WIDTH, len(turns) * cell * 1.05 + 0.55), layout=_dense())
        grid = figure.subplots(len(turns), len(columns) + 1, squeeze=False)
        for row, angle in enumerate(turns):
            _draw(grid[row, 0], np.rot90(image, row, (1, 2)))
            _name(grid[row, 0], f"{angle}°")
            for axes, (model, place) in zip(grid[row, 1:], columns, strict=True):
                maps = shown[model][place]
                axes.imshow(
                    maps[row], cmap="gray", vmin=maps.min(), vmax=maps.max(), interpolation="none"
                )
                axes.set_xticks([])
                axes.set_yticks([])
                axes.spines[:].set_visible(False)
                if row == 0:
                    axes.set_title(f"{model}\n{place}", fontsize=8, loc="center")
        grid[0, 0].set_title("image", fontsize=8, loc="center")
    return figure
