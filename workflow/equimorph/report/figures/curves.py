"""Training curves: what each model learned, epoch by epoch."""

from typing import Any

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from equimorph.report.figures.style import FAMILY_LABELS, WIDTH, families_of, line_styles, styled

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
    models = history.drop_duplicates("model").set_index("model")["group"]
    families, styles = families_of(models), line_styles(models)
    columns = [f for f in ("cyclic", "dihedral") if f in families.values()] or ["plain"]
    with styled():
        figure = Figure(figsize=(WIDTH, 6.2), layout="constrained")
        grid = figure.subplots(2, len(columns), sharex=True, sharey="row", squeeze=False)
        for column, name in enumerate(columns):
            shown = [m for m, f in families.items() if f in ("plain", name)]
            for row, metric in enumerate(_METRICS):
                for model in shown:
                    rows = history[history["model"] == model]
                    _draw_curve(grid[row, column], rows, metric, styles[model])
                if column == 0:
                    grid[row, column].set_ylabel(_METRICS[metric])
            grid[0, column].set_title(FAMILY_LABELS[name])
            grid[1, column].set_xlabel("epoch")
            grid[0, column].legend(loc="lower right", ncols=2)
    return figure


def _draw_curve(axes: Axes, history: pd.DataFrame, metric: str, style: dict[str, Any]) -> None:
    by_epoch = history.pivot(index="epoch", columns="seed", values=metric).dropna()
    axes.fill_between(
        by_epoch.index,
        by_epoch.min(axis=1),
        by_epoch.max(axis=1),
        color=style["color"],
        alpha=0.15,
        linewidth=0,
    )
    axes.plot(by_epoch.index, by_epoch.mean(axis=1), **style)
