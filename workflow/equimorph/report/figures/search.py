"""A search: what each trial reached, and how the loss depends on each searched key."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator, MaxNLocator, NullFormatter

from equimorph.report.figures.style import WIDTH, styled

_COLOURS = {"completed": "#0072b2", "pruned": "#e69f00"}
_MARKERS = {"completed": "o", "pruned": "X"}
_LABELS = {"completed": "completed", "pruned": "stopped: lowest until then"}
_BEST = "#d55e00"
_COLUMNS = 3
_WIDE = 10  # losses that differ by more than this factor are shown on a logarithmic axis

Results = Sequence[Mapping[str, Any]]


def search_history(results: Results, best: int) -> Figure:
    """Draw what each trial reached, with the lowest loss so far, and every trial's curve.

    Args:
        results: the trials, from `Search.results`.
        best: number of the best one.
    """
    drawn = _with_loss(results)
    with styled():
        figure = Figure(figsize=(WIDTH, 3.4), layout="constrained")
        history, curves = figure.subplots(1, 2, sharey=True)
        _draw_marks(history, drawn, best, [result["trial"] for result in drawn])
        _draw_lowest(history, drawn)
        history.set_xlabel("trial")
        history.set_ylabel("lowest validation loss")
        for result in drawn:
            _draw_curve(curves, result, result["trial"] == best)
        curves.set_xlabel("epoch")
        for axes in (history, curves):
            axes.xaxis.set_major_locator(MaxNLocator(integer=True))
        _scale_losses(history, drawn)
        handles, labels = history.get_legend_handles_labels()
        figure.legend(handles, labels, loc="outside upper center", ncols=len(labels))
    return figure


def search_slices(results: Results, best: int, space: Mapping[str, Mapping[str, Any]]) -> Figure:
    """Draw the lowest validation loss against each searched key, one panel per key.

    Args:
        results: the trials, from `Search.results`.
        best: number of the best one.
        space: `low`, `high` and `log` of each key, or its `values` where they are choices.
    """
    drawn = _with_loss(results)
    rows = math.ceil(len(space) / _COLUMNS)
    columns = math.ceil(len(space) / rows)
    with styled():
        figure = Figure(figsize=(WIDTH, 2.6 * rows + 0.4), layout="constrained")
        grid = figure.subplots(rows, columns, sharey=True, squeeze=False)
        for position, (axes, (key, span)) in enumerate(zip(grid.flat, space.items(), strict=False)):
            _draw_marks(axes, drawn, best, _places(drawn, key, span))
            _format_values(axes, span)
            axes.set_xlabel(key)
            if position % columns == 0:
                axes.set_ylabel("lowest validation loss")
        for axes in grid.flat[len(space) :]:
            axes.set_visible(False)
        _scale_losses(grid.flat[0], drawn)
        handles, labels = grid.flat[0].get_legend_handles_labels()
        figure.legend(handles, labels, loc="outside upper center", ncols=len(labels))
    return figure


def _places(results: Results, key: str, span: Mapping[str, Any]) -> list[float]:
    """Return where each trial stands on the axis of a key."""
    values = [result["values"][key] for result in results]
    return [span["values"].index(value) for value in values] if "values" in span else values


def _format_values(axes: Axes, span: Mapping[str, Any]) -> None:
    """Let an axis show the whole range: whether the best lies at an edge must be seen."""
    if "values" in span:
        axes.set_xticks(range(len(span["values"])), [str(value) for value in span["values"]])
        axes.set_xlim(-0.5, len(span["values"]) - 0.5)
    elif span["log"]:
        axes.set_xscale("log")
        axes.xaxis.set_major_locator(LogLocator(subs=(1, 3)))
        axes.xaxis.set_major_formatter("{x:g}")
        axes.xaxis.set_minor_formatter(NullFormatter())
        margin = (span["high"] / span["low"]) ** 0.05
        axes.set_xlim(span["low"] / margin, span["high"] * margin)
    else:
        margin = 0.05 * (span["high"] - span["low"])
        axes.set_xlim(span["low"] - margin, span["high"] + margin)


def _with_loss(results: Results) -> list[Mapping[str, Any]]:
    """Return the trials that have a loss; those that diverged at once have none."""
    return [
        {**result, "shown": "completed" if result["state"] == "completed" else "pruned"}
        for result in results
        if result["validation_loss"] is not None
    ]


def _draw_marks(axes: Axes, results: Results, best: int, places: Sequence[float]) -> None:
    for state, colour in _COLOURS.items():
        chosen = [i for i, result in enumerate(results) if result["shown"] == state]
        if chosen:
            axes.plot(
                [places[i] for i in chosen],
                [results[i]["validation_loss"] for i in chosen],
                linestyle="none",
                marker=_MARKERS[state],
                markersize=5.5,
                color=colour,
                label=_LABELS[state],
            )
    for result, place in zip(results, places, strict=True):
        if result["trial"] == best:
            axes.plot(
                place,
                result["validation_loss"],
                linestyle="none",
                marker="o",
                markersize=11,
                markerfacecolor="none",
                markeredgecolor=_BEST,
                markeredgewidth=1.6,
                label=f"best: trial {best}",
            )


def _draw_lowest(axes: Axes, results: Results) -> None:
    losses = [r["validation_loss"] if r["shown"] == "completed" else np.inf for r in results]
    lowest = np.minimum.accumulate(losses)
    known = np.isfinite(lowest)
    axes.step(
        np.array([result["trial"] for result in results])[known],
        lowest[known],
        where="post",
        color="#4d4d4d",
        linewidth=1,
        zorder=1.5,
        label="lowest so far",
    )


def _draw_curve(axes: Axes, result: Mapping[str, Any], best: bool) -> None:
    epochs = np.arange(1, len(result["curve"]) + 1)
    colour = _BEST if best else _COLOURS[result["shown"]]
    stopped: dict[str, Any] = (
        {"marker": "X", "markevery": [-1]} if result["shown"] == "pruned" else {}
    )
    axes.plot(
        epochs,
        result["curve"],
        color=colour,
        alpha=1.0 if best else 0.6,
        linewidth=2 if best else 1,
        zorder=3 if best else 2,
        **stopped,
    )


def _scale_losses(axes: Axes, results: Results) -> None:
    losses = [
        value for result in results for value in (*result["curve"], result["validation_loss"])
    ]
    if losses and min(losses) > 0 and max(losses) > _WIDE * min(losses):
        axes.set_yscale("log")
