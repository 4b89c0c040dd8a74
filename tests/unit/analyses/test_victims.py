"""Who is attacked: the same order for all networks, common victims and each one's own."""

import numpy as np

from equimorph.analyses.victims import attacked, choose_victims

RIGHT = {
    "A": np.array([True] * 30 + [False] * 10),
    "B": np.array([False] * 10 + [True] * 30),
}


def test_common_victims_are_right_for_all_and_own_ones_for_each():
    chosen = choose_victims(RIGHT, 8, seed=0)
    assert len(chosen["common"]) == 8 and all(10 <= row < 30 for row in chosen["common"])
    for name, own in chosen["own"].items():
        assert len(own) == 8 and RIGHT[name][own].all()
    assert set(chosen["own"]["A"]) - set(chosen["common"])  # some are right for A alone
    assert chosen["available"] == {"common": 20, "own": {"A": 30, "B": 30}}


def test_more_victims_are_the_same_and_others():
    few, many = (choose_victims(RIGHT, most, seed=3) for most in (4, 9))
    assert many["common"][:4] == few["common"] and many["own"]["B"][:4] == few["own"]["B"]
    assert choose_victims(RIGHT, 4, seed=4) != few


def test_no_common_victims():
    chosen = choose_victims({"A": RIGHT["A"], "B": ~RIGHT["A"]}, 5, seed=0)
    assert chosen["common"] == [] and len(chosen["own"]["B"]) == 5


def test_each_victim_is_attacked_once():
    chosen = choose_victims(RIGHT, 8, seed=0)
    rows = attacked(chosen, "A")
    assert rows == sorted(set(rows)) and {*chosen["common"], *chosen["own"]["A"]} == set(rows)
