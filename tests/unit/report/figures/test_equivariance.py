"""Error and accuracy against the angle."""

import numpy as np
import pandas as pd
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.colors import to_hex

from equimorph.report.figures.equivariance import error_against_angle
from equimorph.report.figures.style import FAMILY_COLOURS


def measured():
    table = pd.DataFrame(
        [
            {"model": model, "group": group, "seed": seed, "angle": angle, "reflected": mirror,
             "error": scale * (angle + (180 if mirror else 0)) * (1 + seed),
             "accuracy": 0.5 + 0.1 * seed}
            for model, group, scale in (("CNN", None, 0.01), ("C4", "C4", 0.001),
                                        ("D2", "D2", 0.002), ("D4", "D4", 0.001))
            for seed in (0, 1)
            for angle, mirror in ((0.0, False), (90.0, False), (180.0, False), (0.0, True))
        ]
    )  # fmt: skip
    return table


def test_figure_shows_means_over_seeds_and_closes_the_circle():
    figure = error_against_angle(measured())
    cyclic, dihedral, cyclic_accuracy, _ = figure.axes
    assert cyclic.get_yscale() == "log" and cyclic_accuracy.get_yscale() == "linear"
    named = [line for line in dihedral.lines if line.get_linestyle() != "None"]
    assert [line.get_label() for line in named] == ["CNN", "D2", "D4"]
    d4 = named[-1]
    assert to_hex(d4.get_color()) == FAMILY_COLOURS["dihedral"]
    np.testing.assert_allclose(d4.get_xdata(), [0, 90, 180, 360])
    np.testing.assert_allclose(d4.get_ydata(), [1e-8, 0.135, 0.27, 1e-8])
    mirror = [line for line in dihedral.lines if line.get_marker() == "o"]
    np.testing.assert_allclose([line.get_ydata()[0] for line in mirror], [2.7, 0.54, 0.27])
    accuracy = [line.get_ydata() for line in cyclic_accuracy.lines]
    np.testing.assert_allclose(np.concatenate(accuracy), 0.55)


def test_labels_of_the_angles_do_not_touch():
    figure = error_against_angle(measured())
    FigureCanvasAgg(figure).draw()
    for axes in figure.axes[2:]:
        ends = [label.get_window_extent() for label in axes.get_xticklabels()]
        assert all(left.x1 + 8 < right.x0 for left, right in zip(ends, ends[1:], strict=False))
