"""Figures of the data: a violin per class, and scores where they belong."""

import numpy as np
import pandas as pd
from matplotlib.collections import LineCollection

from equimorph.report.figures.exploration import class_scores, galaxies_by_class

CLASSES = ["Round", "Cigar", "Spiral"]


def first_median(axes):
    lines = next(part for part in axes.collections if isinstance(part, LineCollection))
    return lines.get_segments()[0][0, 0]


def test_a_violin_per_class_and_measure():
    draw = np.random.default_rng(0)
    galaxies = pd.DataFrame(
        {
            "label": [0] * 20 + [1] * 20 + [2],  # one galaxy is no distribution
            "redshift": np.nan,
            "mean": draw.normal(40, 5, 41),
            "signal_to_noise": draw.lognormal(2, 0.5, 41),
            "radius": draw.lognormal(1, 0.5, 41),
            "colour": draw.normal(0, 0.2, 41),
        }
    )
    figure = galaxies_by_class(galaxies, CLASSES)
    assert len(figure.axes) == 4  # no redshift is known
    first = figure.axes[0]
    assert np.isclose(first_median(first), galaxies["mean"][:20].median())
    radius = np.median(np.log10(galaxies["radius"][:20]))
    assert np.isclose(first_median(figure.axes[2]), radius)
    assert [text.get_text() for text in first.get_yticklabels()] == CLASSES


def test_scores_by_class_and_network():
    def scores(f1):
        one = {"precision": f1 + 0.1, "recall": f1 - 0.1, "f1": f1}
        return {
            "Round": one,
            "Cigar": one,
            "Spiral": {"precision": None, "recall": None, "f1": None},
        }

    figure = class_scores({"CNN": scores(0.5), "D4": scores(0.7)}, CLASSES)
    left, right = figure.axes
    heat = left.images[0].get_array()
    np.testing.assert_allclose(heat[:2], [[0.5, 0.7]] * 2)
    assert [text.get_text() for text in left.texts] == ["50", "70", "50", "70"]
    np.testing.assert_allclose(right.lines[0].get_xydata(), [[0.4, 0.6], [0.6, 0.8]])
