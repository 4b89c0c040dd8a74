"""The figures of a search."""

import pytest

from equimorph.report.figures.search import search_history, search_slices
from equimorph.report.figures.style import save
from equimorph.study.search_space import Choices, Range
from tests.unit.search.searches import results

# As the search writes it down.
SPACE = {"learning_rate": vars(Range(0.001, 0.01, log=True)), "batch_size": vars(Choices((16, 32)))}


def test_the_history_shows_every_trial_with_a_loss():
    figure = search_history(results(), 4)
    history, curves = figure.axes
    marks = {line.get_label(): line for line in history.lines}
    assert list(marks["completed"].get_xdata()) == [1, 3, 4, 5]
    assert list(marks["stopped: lowest until then"].get_xdata()) == [2, 6]
    assert list(marks["best: trial 4"].get_xdata()) == [4]
    lowest = list(marks["lowest so far"].get_ydata())
    assert lowest == pytest.approx([1.3, 1.3, 1.1, 1.0, 1.0, 1.0])
    assert sorted(len(line.get_xdata()) for line in curves.lines) == [2, 2, 3, 3, 3, 3]


def test_a_slice_per_key_on_its_own_scale():
    figure = search_slices(results(), 4, SPACE)
    rate, batch = (axes for axes in figure.axes if axes.get_visible())
    assert rate.get_xlabel() == "learning_rate" and rate.get_xscale() == "log"
    assert rate.get_xlim()[0] < 0.001 and rate.get_xlim()[1] > 0.01
    assert [label.get_text() for label in batch.get_xticklabels()] == ["16", "32"]
    marks = {line.get_label(): line for line in batch.lines}
    assert list(marks["completed"].get_xdata()) == [1, 1, 0, 1]


def test_bytes_of_the_figures_depend_on_the_trials_alone(tmp_path):
    for name in ("a", "b"):
        save(search_history(results(), 4), tmp_path / f"history-{name}.svg")
        save(search_slices(results(), 4, SPACE), tmp_path / f"slices-{name}.svg")
    for kind in ("history", "slices"):
        one, other = ((tmp_path / f"{kind}-{name}.svg").read_bytes() for name in "ab")
        assert one == other
