"""Figures of latent spaces: each class in its colour, each number at its place."""

import numpy as np
from matplotlib.colors import to_hex

from equimorph.report.figures.latent import latent_maps, latent_numbers
from equimorph.report.figures.style import CLASS_COLOURS

CLASSES = ["Round", "Cigar", "Spiral"]


def test_a_panel_per_network_and_method():
    label = np.array([0, 2, 2])
    places = np.array([[0.0, 1], [2, 3], [4, 5]])
    maps = {"pca": places, "tsne": -places}
    figure = latent_maps({"D4": maps, "CNN": maps}, label, CLASSES)
    assert [axes.get_title(loc="left") for axes in figure.axes][:2] == ["D4: PCA", "D4: t-SNE"]
    spirals = figure.axes[1].collections[2]
    np.testing.assert_array_equal(spirals.get_offsets(), [[-2, -3], [-4, -5]])
    assert to_hex(spirals.get_facecolor()[0]) == CLASS_COLOURS[2]
    assert [text.get_text() for text in figure.legends[0].get_texts()] == CLASSES


def test_numbers_of_all_networks():
    def one(mean):
        return {"mean": mean, "ci95": [mean - 0.1, mean + 0.2]}

    network = {
        "purity": one(0.8),
        "turn_scatter": one(0.3),
        "distances": {"rotated": {"all": one(0.5), "wrong": None}},
    }
    figure = latent_numbers(
        {"networks": {"CNN": network, "D4": network}}, {"CNN": None, "D4": "D4"}
    )
    for axes, mean in zip(figure.axes, (0.8, 0.3, 0.5), strict=True):
        first = axes.containers[0]
        assert first.lines[0].get_ydata()[0] == mean
        low, high = first.lines[2][0].get_segments()[0][:, 1]
        np.testing.assert_allclose([low, high], [mean - 0.1, mean + 0.2])
        assert axes.get_ylim()[0] == 0 and axes.get_ylim()[1] > mean + 0.2
