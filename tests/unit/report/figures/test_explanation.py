"""Figures of explanations: maps over images, and feature maps of turned images."""

import numpy as np

from equimorph.report.figures.explanation import explanations, feature_map_sheet

CLASSES = ["Round", "Cigar", "Spiral"]


def explained(says):
    maps = np.zeros((2, 3, 9, 9))
    maps[1, 2, 4, 4] = 1
    return {
        "conditions": np.array(["clean", "noise-50"]),
        "images": np.full((2, 3, 3, 9, 9), 90, np.uint8),
        "maps": maps,
        "predicted": np.array([[0, 1, 2], [0, 1, says]]),
        "label": np.array([0, 1, 2]),
    }


def test_a_row_per_network_and_condition():
    figure = explanations({"D4": explained(2), "CNN": explained(0)}, CLASSES)
    assert len(figure.axes) == (1 + 2 * 2) * 3
    heat = figure.axes[3 + 3 + 2].images[1].get_array()  # D4, second condition, third image
    assert heat[4, 4] == 1 and heat.sum() == 1
    said = [axes.get_xlabel() for axes in figure.axes]
    assert said[-1] == "Round" and set(said[3:-1]) == {"right"}
    assert "noise 50" in figure.axes[6].get_ylabel()


def test_long_names_of_wrong_classes_have_lines_of_their_own():
    classes = ["Round", "In-between Round Smooth", "Unbarred Loose Spiral"]
    figure = explanations({"D4": explained(1)}, classes)
    assert figure.axes[-1].get_xlabel() == "In-between\nRound\nSmooth"
    short = explanations({"D4": explained(1)}, CLASSES)
    assert figure.get_figheight() > short.get_figheight()


def test_a_row_per_turn():
    image = np.zeros((3, 9, 9), np.uint8)
    image[:, 0, 8] = 255
    maps = {"first": np.arange(4 * 25.0).reshape(4, 5, 5), "last": np.zeros((4, 3, 3))}
    figure = feature_map_sheet({"D4": maps, "CNN": maps}, image, (0, 90, 180, 270))
    assert len(figure.axes) == 4 * 5
    turned = figure.axes[5].images[0].get_array()  # the corner at the upper right goes to the left
    assert turned[0, 0].max() == 1 and turned[0, 8].max() == 0
    np.testing.assert_array_equal(figure.axes[6].images[0].get_array(), maps["first"][1])
