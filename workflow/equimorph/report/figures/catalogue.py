"""The data set at a glance: classes per subset and positions on the sky."""

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

from equimorph.report.figures.style import (
    CLASS_COLOURS,
    SUBSET_COLOURS,
    WIDTH,
    styled,
)

# Right ascension at the middle of the map: 120 degrees keeps both caps of the Legacy Surveys
# in one piece.
_CENTRE = 120.0
_SMALL_MAPS = 5  # in a row
_LEGEND_MARKER = 9  # points


def class_histogram(split: pd.DataFrame, classes: list[str]) -> Figure:
    """Draw the number of images of each class as one bar, divided by subset.

    Args:
        split: the columns subset and label.
        classes: class names in label order.
    """
    counts = pd.crosstab(split["label"], split["subset"]).reindex(range(len(classes)), fill_value=0)
    with styled():
        figure = Figure(figsize=(WIDTH, 0.32 * len(classes) + 1.1), layout="constrained")
        axes = figure.subplots()
        left = np.zeros(len(classes))
        for subset in [name for name in SUBSET_COLOURS if name in counts]:
            axes.barh(
                range(len(classes)),
                counts[subset],
                left=left,
                height=0.72,
                color=SUBSET_COLOURS[subset],
                label=subset,
            )
            left += counts[subset].to_numpy()
        for row, total in enumerate(left):
            axes.annotate(
                f"{total:,.0f}",
                (total, row),
                (4, 0),
                textcoords="offset points",
                va="center",
                fontsize=8,
            )
        axes.set_yticks(range(len(classes)), classes)
        axes.tick_params(axis="y", length=0)
        axes.invert_yaxis()
        axes.grid(axis="y", visible=False)
        axes.margins(x=0.07)
        axes.set_xlabel("images")
        figure.legend(loc="outside upper center", ncols=len(SUBSET_COLOURS))
    return figure


def sky_map(
    ra: NDArray, dec: NDArray, subset: NDArray, label: NDArray, classes: list[str]
) -> Figure:
    """Draw positions by subset and, in a small map each, by class; Mollweide, east to the left.

    Args:
        ra: right ascension in degrees, shape (n,); NaN where unknown.
        dec: declination in degrees, shape (n,).
        subset: name of each image's subset, shape (n,).
        label: class of each image, shape (n,).
        classes: class names in label order.
    """
    known = np.isfinite(ra) & np.isfinite(dec)
    ra, dec, subset, label = (np.asarray(each)[known] for each in (ra, dec, subset, label))
    rows = -(-len(classes) // _SMALL_MAPS)
    size = _marker_size(len(ra))
    with styled():
        figure = Figure(figsize=(WIDTH, 4.6 + 1.3 * rows), layout="constrained")
        upper, lower = figure.subfigures(2, 1, squeeze=False, height_ratios=[4.6, 1.3 * rows]).flat
        axes = upper.add_subplot(projection="mollweide")
        for name, colour in SUBSET_COLOURS.items():
            chosen = subset == name
            _draw_positions(axes, ra[chosen], dec[chosen], colour, name, size)
        ticks = np.arange(-150, 151, 60)
        for tick in ticks:  # below the survey, where no position hides them
            at = f"{(_CENTRE - tick) % 360:.0f}°"
            axes.text(np.radians(tick), np.radians(-44), at, ha="center", color="#666666")
        axes.set_xticks(np.radians(ticks), [])
        axes.set_yticks(np.radians(np.arange(-60, 61, 30)))
        axes.set_xlabel("right ascension")
        axes.set_ylabel("declination")
        if len(ra):
            axes.legend(loc="upper left", bbox_to_anchor=(1, 1), markerscale=_LEGEND_MARKER / size)
        if not known.all():
            axes.set_title(f"{np.sum(~known):,} of {len(known):,} without a position")
        small = lower.subplots(
            rows, _SMALL_MAPS, squeeze=False, subplot_kw={"projection": "mollweide"}
        ).flat
        for number, axes in enumerate(small):
            if number >= len(classes):
                axes.remove()
                continue
            chosen, colour = label == number, CLASS_COLOURS[number % len(CLASS_COLOURS)]
            _draw_positions(axes, ra[chosen], dec[chosen], colour, classes[number], size / 2)
            axes.set_title(classes[number], fontsize=8)
            axes.set_xticks(np.radians(ticks), [])
            axes.set_yticks([0], [])
    return figure


def _draw_positions(
    axes: Axes, ra: NDArray, dec: NDArray, colour: str, name: str, size: float
) -> None:
    if not len(ra):
        return
    east = (ra - _CENTRE + 180) % 360 - 180
    axes.plot(
        np.radians(-east),
        np.radians(dec),
        linestyle="none",
        marker=".",
        markersize=size,
        markeredgewidth=0,
        alpha=0.75,
        color=colour,
        label=name,
        rasterized=True,  # thousands of vector dots would make a file of megabytes
    )


def _marker_size(count: int) -> float:
    """Return a marker size in points that keeps from 100 to 20,000 positions readable."""
    return float(np.clip(160 / np.sqrt(max(count, 1)), 2.2, 7))
