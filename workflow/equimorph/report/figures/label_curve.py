"""Accuracy against the number of labels: how far each network gets with how little."""

import pandas as pd
from matplotlib.figure import Figure
from matplotlib.ticker import NullFormatter

from equimorph.report.figures.style import FAMILY_COLOURS, FAMILY_MARKERS, WIDTH, family, styled

_SHIFT = 1.03  # between lines, so that their error bars stay apart


def label_curve(table: pd.DataFrame) -> Figure:
    """Draw test accuracy against the number of training images, a line per network and start.

    Bars are standard deviations over seeds. Networks that were pretrained on simulated galaxies
    have filled markers and full lines, those from random weights open ones and dashes. A dotted
    line at the left is a pretrained network before it has seen a real label.

    Args:
        table: what `evaluation.label_curve` returns.
    """
    scores, zero_labels = table[table["labels"] > 0], table[table["labels"] == 0]
    with styled():
        figure = Figure(figsize=(0.75 * WIDTH, 4.2), layout="constrained")
        axes = figure.subplots()
        lines = list(scores.groupby(["network", "pretrained"], sort=False))
        for number, ((network, pretrained), rows) in enumerate(lines):
            name = family(None if pd.isna(rows["group"].iloc[0]) else rows["group"].iloc[0])
            table = rows.groupby("labels")["accuracy"].agg(["mean", "std"])
            axes.errorbar(
                table.index * _SHIFT ** (number - (len(lines) - 1) / 2),
                table["mean"],
                yerr=None if table["std"].isna().all() else table["std"],
                color=FAMILY_COLOURS[name],
                marker=FAMILY_MARKERS[name],
                markersize=5,
                markerfacecolor=FAMILY_COLOURS[name] if pretrained else "white",
                linestyle="-" if pretrained else "--",
                capsize=2.5,
                label=f"{network}, {'pretrained' if pretrained else 'random weights'}",
            )
        for network in dict.fromkeys(zero_labels["network"]):
            rows = zero_labels[zero_labels["network"] == network]
            name = family(None if pd.isna(rows["group"].iloc[0]) else rows["group"].iloc[0])
            axes.axhline(
                rows["accuracy"].mean(),
                color=FAMILY_COLOURS[name],
                linestyle=":",
                linewidth=1,
                label=f"{network}, no real label",
            )
        labels = sorted(scores["labels"].unique())
        axes.set_xscale("log")
        axes.set_xticks(labels, [f"{label:,}" for label in labels])
        axes.xaxis.set_minor_formatter(NullFormatter())
        axes.set_xlabel("labelled training images")
        axes.set_ylabel("test accuracy")
        axes.legend(loc="lower right")
    return figure
