"""Rates of attacks: intervals, comparisons on common victims, the trend with the group."""

import numpy as np
import pytest

from equimorph.analyses.attack_file import Attacked
from equimorph.analyses.attack_measures import attack_measures, compare, rate, table, trend
from equimorph.robustness.attacks import Attacks


def attacks(success, predicted=1, queries=10):
    count = len(success)
    zeros = np.zeros(count, int)
    return Attacks(
        np.array(success, bool),
        *(zeros, zeros, np.zeros((count, 3))),
        np.full(count, predicted),
        zeros,
        np.full(count, queries),
        *(zeros, zeros),
    )


def network(success, evolved=None):
    count = len(success)
    methods = {"exhaustion": attacks(success)}
    if evolved is not None:
        methods["evolution"] = attacks(evolved, predicted=2)
    images = np.zeros((count, 3, 4, 4), np.uint8)
    return Attacked(np.arange(count), np.zeros(count, int), images, methods)


VICTIMS = {
    "training_seed": 0,
    "common": [2, 0, 1],
    "own": {"CNN": [0, 3], "D4": [1, 2]},
    "available": {"common": 5, "own": {"CNN": 7, "D4": 8}},
}


def measured(**more):
    networks = {"CNN": network([1, 0, 1, 1], [1, 1, 0, 0]), "D4": network([0, 0, 1], [0, 0, 1])}
    return attack_measures(networks, VICTIMS, {"CNN": 1, "D4": 8}, "CNN", 3, 200, 0)


def test_rates_of_both_sets_of_victims():
    found = measured()["methods"]["exhaustion"]["networks"]
    assert found["CNN"]["common"]["rate"] == pytest.approx(2 / 3)
    assert found["D4"]["common"]["rate"] == pytest.approx(1 / 3)
    assert found["CNN"]["own"]["successes"] == 2 and found["CNN"]["own"]["victims"] == 2
    assert found["CNN"]["changes"] == [[0, 2, 0], [0, 0, 0], [0, 0, 0]]
    evolved = measured()["methods"]["evolution"]["networks"]["CNN"]
    assert evolved["changes"][0] == [0, 0, 1]


def test_where_one_method_succeeds_and_the_other_does_not():
    beyond = measured()["beyond_corners"]["CNN"]
    assert beyond == {"evolution_alone": 1, "exhaustion_alone": 1, "both": 1, "victims": 3}


def test_wilsons_interval_and_queries():
    one = rate(attacks([True] + [False] * 9), np.arange(10))
    # Wilson's bounds for 1 of 10, by hand.
    assert one["ci95"] == pytest.approx([0.01788, 0.40415], abs=1e-5)
    assert one["queries_per_victim"] == 10 and one["queries_per_success"] == 100
    none = rate(attacks([False] * 10), np.arange(10))
    assert none["ci95"][0] == 0 and none["ci95"][1] == pytest.approx(0.27753, abs=1e-5)
    assert none["queries_per_success"] is None
    assert rate(attacks([]), np.arange(0))["rate"] is None


def test_networks_are_compared_on_the_same_victims():
    fallen = {"CNN": np.arange(200) < 60, "D4": np.arange(200) < 20, "C4": np.arange(200) < 60}
    first, second = compare(fallen, "CNN", 500, 0)
    assert first["a"] == "D4" and first["difference"] == pytest.approx(-0.2)
    assert first["ci95"][1] < 0 and first["holm_p"] < 1e-6
    # Of 40 paired differences of -1 among 200 the standard error is 0.0283.
    assert first["ci95"] == pytest.approx([-0.2 - 0.055, -0.2 + 0.055], abs=0.02)
    assert second["difference"] == 0 and second["mcnemar_p"] == 1
    assert compare(fallen, "ViT", 500, 0) == []


def test_the_trend_with_the_group():
    victims = np.arange(100)
    fallen = {"CNN": victims < 90, "C2": victims < 40, "C4": victims < 30, "C8": victims < 20}
    orders = {"CNN": 1, "C2": 2, "C4": 4, "C8": 8, "SO2": None}
    found = trend(fallen, orders, 500, 0)
    assert found["networks"] == ["C2", "C4", "C8"]
    assert found["slope"] == pytest.approx(-0.1)
    assert found["ci95"][0] < -0.1 < found["ci95"][1] < 0
    assert trend({k: fallen[k] for k in ("CNN", "C2", "C4")}, orders, 500, 0) is None


def test_few_victims_or_such_that_are_alike_have_no_interval():
    orders = {"C2": 2, "C4": 4, "C8": 8}
    none = dict.fromkeys(orders, np.zeros(50, bool))
    assert trend(none, orders, 500, 0)["ci95"] is None
    few = {"C2": np.ones(9, bool), "C4": np.arange(9) < 4, "C8": np.zeros(9, bool)}
    assert trend(few, orders, 500, 0)["ci95"] is None
    # One answer for all: resamples would be certain of it.
    alike = {"C2": np.zeros(50, bool), "C4": np.ones(50, bool), "C8": np.ones(50, bool)}
    found = trend(alike, orders, 500, 0)
    assert found["ci95"] is None and found["victims"] == 50


def test_the_table_has_a_row_for_each_rate():
    rows = table(measured())
    assert len(rows) == 2 * 2 * 2
    assert rows[0]["method"] == "exhaustion" and rows[0]["model"] == "CNN"
    assert rows[0]["successes"] == 2 and rows[0]["ci95_low"] < rows[0]["rate"]
