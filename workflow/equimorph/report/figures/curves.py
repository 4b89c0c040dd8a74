"""Training curves: what each model learned, epoch by epoch."""

from typing import Any

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from equimorph.report.figures.lines import draw_seeds, panels_by_family
from equimorph.report.figures.style import styled

_METRICS = {"validation_accuracy": "validation accuracy", "train_loss": "training loss"}


def training_curves(history: pd.DataFrame) -> Figure:
    """Draw validation accuracy and training loss against the epoch, one column per family.

    Lines are means over seeds, bands run from the lowest to the highest seed. Only epochs that
    every seed of a model reached are drawn: past the first early stop the mean would be that of
    the survivors. Plain networks are repeated in every column, for comparison.

    Args:
        history: one row per model, seed and epoch, with the columns model, group (None for plain
            networks), seed, epoch, validation_accuracy, train_loss.
    """
    with styled():
        figure, grid = panels_by_family(history, _METRICS, _draw_curve)
        for top, bottom in grid.T:
            bottom.set_xlabel("epoch")
            bottom.xaxis.set_major_locator(MaxNLocator("auto", integer=True))
            top.legend(loc="lower right", ncols=2)
    return figure


def _draw_curve(axes: Axes, history: pd.DataFrame, metric: str, style: dict[str, Any]) -> None:
    by_epoch = history.pivot(index="epoch", columns="seed", values=metric)
    draw_seeds(axes, by_epoch.dropna(), style)
