"""Curves along a sweep: their area, their intervals, and comparisons of areas."""

import numpy as np
import pytest

from equimorph.analyses.sweep_measures import area_by_image, sweep_measures, table
from equimorph.evaluation.metrics import METRICS
from equimorph.evaluation.predictions import Predictions
from equimorph.evaluation.probabilities import probabilities

LABEL = np.tile([0, 1, 2], 40)
INDEX = np.arange(len(LABEL))


def predictions(share, seed=0):
    """Right on the first `share` of the images, confidently; wrong on the others."""
    right = share * len(LABEL) > INDEX
    said = np.where(right, LABEL, (LABEL + 1) % 3)
    noise = np.random.default_rng(seed).normal(scale=0.1, size=(len(LABEL), 3))
    return Predictions(INDEX, LABEL, 3 * np.eye(3)[said] + noise)


def curve(shares, seeds=(0, 1)):
    return {f"x+{n}": {s: predictions(share, s) for s in seeds} for n, share in enumerate(shares)}


LEVELS = [(0.5, "x+1"), (0.0, "x+0"), (1.0, "x+2")]


def measured():
    networks = {"CNN": curve([0.9, 0.5, 0.2]), "D4": curve([0.9, 0.8, 0.7])}
    return sweep_measures(networks, LEVELS, False, "CNN", 200, 0)


def test_values_ascend_and_metrics_are_those_of_the_study():
    found = measured()
    assert found["values"] == [0.0, 0.5, 1.0]
    assert [p["mean"] for p in found["networks"]["CNN"]["accuracy"]] == [0.9, 0.5, 0.2]
    own = curve([0.9, 0.5, 0.2])["x+1"]
    for metric in ("macro_f1", "ece"):
        point = found["networks"]["CNN"][metric][1]
        values = [METRICS[metric].of(probabilities(p.logits), LABEL) for p in own.values()]
        assert point["mean"] == pytest.approx(np.mean(values))
        assert point["ci95"][0] < point["mean"] < point["ci95"][1]
        assert point["ci95"][1] - point["ci95"][0] < 0.25


def test_the_area_is_that_of_the_trapezoids():
    area = measured()["networks"]["CNN"]["area"]
    assert area["mean"] == pytest.approx(np.trapezoid([0.9, 0.5, 0.2], [0, 0.5, 1]))
    assert area["ci95"][0] < area["mean"] < area["ci95"][1]
    # Uneven levels, and a range that is not 1.
    by_seed = [one for one in curve([1.0, 0.5, 0.0]).values()]
    images = area_by_image([0, 1, 4], by_seed)
    assert images.shape == (2, 120)
    assert images.mean() == pytest.approx(np.trapezoid([1, 0.5, 0], [0, 1, 4]) / 4)


def test_equal_ratios_count_alike_over_the_logarithm():
    by_seed = [one for one in curve([0.0, 0.5, 1.0]).values()]
    assert area_by_image([0.25, 0.5, 1], by_seed, logarithmic=True).mean() == pytest.approx(0.5)
    assert area_by_image([0.25, 0.5, 1], by_seed).mean() == pytest.approx(7 / 12)


def test_areas_are_compared_with_the_reference():
    (row,) = measured()["comparisons"]
    assert (row["a"], row["b"]) == ("D4", "CNN")
    assert row["difference"] == pytest.approx(0.8 - 0.525) and row["ci95"][0] > 0


def test_the_table_has_each_point_and_each_area():
    rows = table({"noise": measured()})
    assert len(rows) == 2 * (3 + 1)
    assert rows[0]["value"] == 0 and rows[0]["accuracy"] == 0.9 and "ece_high" in rows[0]
    assert rows[3]["value"] is None and rows[3]["area"] == pytest.approx(0.525)
