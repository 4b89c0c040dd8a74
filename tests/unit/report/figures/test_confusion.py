"""Confusion matrices: shares of each true class."""

import numpy as np

from equimorph.report.figures.confusion import confusion_matrices


def test_confusion_is_normalised_by_row():
    counts = np.array([[3, 1, 0], [0, 0, 0], [1, 0, 1]])
    figure = confusion_matrices({"D4": counts, "CNN": counts}, list("abc"))
    shown = figure.axes[0].images[0].get_array()
    np.testing.assert_allclose(shown[0], [75, 25, 0])
    np.testing.assert_allclose(shown[2], [50, 0, 50])
    assert np.ma.getmaskarray(np.ma.masked_invalid(shown))[1].all()  # no image, no share
    assert [text.get_text() for text in figure.axes[0].texts] == ["75", "25", "50", "50"]
    assert [axes.get_title(loc="left") for axes in figure.axes[:2]] == ["D4", "CNN"]
    assert [label.get_text() for label in figure.axes[0].get_yticklabels()] == list("abc")
