"""Training curves: means over the seeds."""

import numpy as np
from matplotlib.colors import to_hex

from equimorph.report.figures.curves import training_curves
from equimorph.report.figures.style import (
    FAMILY_COLOURS,
)

from .numbers import histories


def test_curves_stop_where_the_first_seed_stops():
    figure = training_curves(histories())
    cyclic, dihedral = figure.axes[:2]
    assert [line.get_label() for line in cyclic.lines] == ["CNN", "C2", "C8"]
    assert [line.get_label() for line in dihedral.lines] == ["CNN", "D4", "D16"]
    np.testing.assert_allclose(cyclic.lines[1].get_xdata(), [1, 2, 3])
    np.testing.assert_allclose(cyclic.lines[1].get_ydata(), [0.11, 0.21, 0.31])
    assert to_hex(cyclic.lines[-1].get_color()) == FAMILY_COLOURS["cyclic"]
    assert figure.axes[2].get_ylabel() == "training loss"


def test_ticks_are_whole_epochs():
    figure = training_curves(histories())
    assert all(tick == int(tick) for tick in figure.axes[2].get_xticks())
