"""Models as lines: a column of panels per family of groups, a row per metric."""

from collections.abc import Callable, Mapping
from typing import Any

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

from equimorph.report.figures.style import FAMILY_LABELS, WIDTH, families_of, line_styles

Draw = Callable[[Axes, pd.DataFrame, str, dict[str, Any]], None]


def panels_by_family(
    table: pd.DataFrame, metrics: Mapping[str, str], draw: Draw
) -> tuple[Figure, NDArray]:
    """Draw every model of a family in one column, plain networks in each for comparison.

    Args:
        table: rows of all models, with the columns model, group (None for plain networks), and
            those that `draw` reads.
        metrics: label of the vertical axis by column of the table, two of them.
        draw: draws one model: panel, its rows, metric, style of the line.

    Returns:
        The figure and its panels, (2, families).
    """
    models = table.drop_duplicates("model").set_index("model")["group"]
    families, styles = families_of(models), line_styles(models)
    columns = [f for f in ("cyclic", "dihedral") if f in families.values()] or ["plain"]
    figure = Figure(figsize=(WIDTH, 6.2), layout="constrained")
    grid = figure.subplots(len(metrics), len(columns), sharex=True, sharey="row", squeeze=False)
    for column, name in enumerate(columns):
        shown = [m for m, f in families.items() if f in ("plain", name)]
        for row, (metric, label) in enumerate(metrics.items()):
            for model in shown:
                draw(grid[row, column], table[table["model"] == model], metric, styles[model])
            if column == 0:
                grid[row, column].set_ylabel(label)
        grid[0, column].set_title(FAMILY_LABELS[name])
    return figure, grid


def draw_seeds(axes: Axes, by_seed: pd.DataFrame, style: dict[str, Any]) -> None:
    """Draw the mean over seeds as a line, in a band from the lowest to the highest seed.

    Args:
        axes: panel.
        by_seed: a row per position along the horizontal axis, a column per seed.
        style: label, colour and dashes, as `line_styles` returns them.
    """
    axes.fill_between(
        by_seed.index,
        by_seed.min(axis=1),
        by_seed.max(axis=1),
        color=style["color"],
        alpha=0.15,
        linewidth=0,
    )
    axes.plot(by_seed.index, by_seed.mean(axis=1), **style)
