"""Confusion matrices, row-normalised, side by side."""

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.image import AxesImage
from numpy.typing import NDArray

from equimorph.report.figures.style import WIDTH, styled


def confusion_matrices(matrices: dict[str, NDArray], classes: list[str]) -> Figure:
    """Draw matrices of per cent of each true class, one panel per model.

    Args:
        matrices: counts by panel title, each of shape (C, C), rows are true classes.
        classes: the C class names in label order.
    """
    with styled():
        figure = Figure(figsize=(WIDTH, 0.57 * WIDTH), layout="constrained")
        panels = figure.subplots(1, len(matrices), sharey=True, squeeze=False)[0]
        for axes, (title, counts) in zip(panels, matrices.items(), strict=True):
            image = _draw_matrix(axes, np.asarray(counts, dtype=float), classes)
            axes.set_title(title)
            axes.set_xlabel("predicted class")
        panels[0].set_ylabel("true class")
        bar = figure.colorbar(image, ax=list(panels), shrink=0.5, pad=0.01, aspect=28)
        bar.set_label("% of true class")
        bar.outline.set_visible(False)
    return figure


def _draw_matrix(axes: Axes, counts: NDArray, classes: list[str]) -> AxesImage:
    """Draw one matrix; a class without images leaves its row empty."""
    totals = counts.sum(axis=1, keepdims=True)
    shares = np.divide(100 * counts, totals, out=np.full_like(counts, np.nan), where=totals > 0)
    image = axes.imshow(shares, cmap="Blues", vmin=0, vmax=100)
    axes.grid(False)
    axes.spines[:].set_visible(False)
    axes.tick_params(length=0)
    numbers = range(len(classes))
    axes.set_xticks(numbers, classes, rotation=45, ha="right", rotation_mode="anchor", fontsize=7.5)
    axes.set_yticks(numbers, classes, fontsize=7.5)
    for row in numbers:
        for column in numbers:
            share = shares[row, column]
            if share >= 0.5:  # what would round to 0 stays blank: the diagonal stands out
                axes.text(
                    column,
                    row,
                    f"{share:.0f}",
                    ha="center",
                    va="center",
                    fontsize=7,
                    color="white" if share > 55 else "#222222",
                )
    return image
