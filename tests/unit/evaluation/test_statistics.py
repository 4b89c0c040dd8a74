"""Intervals and tests, against theory and hand-worked cases."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from equimorph.errors import InputError
from equimorph.evaluation.statistics import (
    bootstrap_interval,
    holm,
    mcnemar,
    mean_sd,
    paired_difference,
)


def rng():
    return np.random.default_rng(3)


def test_mean_and_sample_sd():
    assert mean_sd([1.0, 2.0, 3.0]) == {"mean": 2.0, "sd": 1.0, "n": 3}
    assert mean_sd([0.5]) == {"mean": 0.5, "sd": None, "n": 1}


def test_bootstrap_agrees_with_the_normal_approximation():
    scores = (np.arange(400) < 300).astype(float)  # accuracy 0.75
    low, high = bootstrap_interval(scores, 4000, rng())
    half = 1.96 * np.sqrt(0.75 * 0.25 / 400)
    assert low == pytest.approx(0.75 - half, abs=0.006)
    assert high == pytest.approx(0.75 + half, abs=0.006)


def test_bootstrap_covers_the_truth_about_as_often_as_it_says():
    generator = np.random.default_rng(0)
    samples = generator.random((300, 150)) < 0.7
    bounds = [bootstrap_interval(sample, 400, generator) for sample in samples]
    covered = np.mean([low <= 0.7 <= high for low, high in bounds])
    assert 0.90 <= covered <= 0.98


def test_equal_generators_give_equal_intervals():
    scores = np.random.default_rng(1).random(50)
    assert bootstrap_interval(scores, 500, rng()) == bootstrap_interval(scores, 500, rng())
    assert bootstrap_interval(scores, 500, rng()) != bootstrap_interval(
        scores, 500, np.random.default_rng(4)
    )


def test_pairing_narrows_the_interval():
    generator = np.random.default_rng(2)
    b = generator.random((3, 300)) < 0.7
    a = b.copy()
    a[:, :15] = True  # better on a few images, equal on all others
    result = paired_difference(a, b, 1000, rng())
    assert result["difference"] == pytest.approx(a.mean() - b.mean())
    assert result["ci95"][0] >= 0
    unpaired = [bootstrap_interval(x.mean(axis=0), 1000, rng()) for x in (a, b)]
    width = result["ci95"][1] - result["ci95"][0]
    assert width < min(high - low for low, high in unpaired)


def test_a_model_does_not_differ_from_itself():
    correct = np.random.default_rng(5).random((2, 40)) < 0.5
    result = paired_difference(correct, correct, 200, rng())
    assert result == {"difference": 0.0, "ci95": [0.0, 0.0]}


def test_pairs_need_the_same_images():
    with pytest.raises(InputError, match="same images"):
        paired_difference(np.ones((1, 3)), np.ones((1, 4)), 10, rng())


def test_mcnemar_by_hand():
    # a alone is right on 1 image, b alone on 5: 2 * (C(6,0) + C(6,1)) / 2^6 = 14 / 64.
    a = np.array([1, 0, 0, 0, 0, 0, 1, 0], dtype=bool)
    b = np.array([0, 1, 1, 1, 1, 1, 1, 0], dtype=bool)
    assert mcnemar(a, b) == pytest.approx(14 / 64)
    assert mcnemar(b, a) == pytest.approx(14 / 64)
    assert mcnemar(a, a) == 1.0


def test_holm_by_hand():
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert holm([0.9, 0.8]) == [1.0, 1.0]
    assert holm([]) == []


@given(st.lists(st.floats(0, 1), min_size=1, max_size=12))
def test_holm_lies_between_raw_and_bonferroni_and_keeps_the_order(p):
    corrected = np.array(holm(p))
    raw = np.array(p)
    assert (corrected >= raw).all()
    assert (corrected <= np.minimum(raw * len(p), 1) + 1e-12).all()
    assert (np.diff(corrected[np.argsort(raw, kind="stable")]) >= 0).all()
