"""Intervals and tests, against theory and hand-worked cases."""

import warnings

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import binom, norm

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


def test_the_interval_of_one_training_is_that_of_a_proportion():
    right = np.arange(400)[None] < 300  # accuracy 0.75
    low, high = bootstrap_interval([right], 4000, rng())
    half = 1.96 * np.sqrt(0.75 * 0.25 / 400)
    assert low == pytest.approx(0.75 - half, abs=0.006)
    assert high == pytest.approx(0.75 + half, abs=0.006)


def test_trainings_that_agree_tell_no_more_than_one():
    right = np.arange(400) < 300
    one, three = (bootstrap_interval([np.tile(right, (n, 1))], 4000, rng()) for n in (1, 3))
    assert three == pytest.approx(one, abs=0.006)


def test_the_spread_of_trainings_widens_the_interval_by_its_standard_error():
    seeds, images = 8, 2000
    share = 0.5 + 0.02 * np.arange(seeds)[:, None]  # mean 0.57
    # Evenly spread: each training is right on other images, and none is easier than another.
    right = (np.arange(images) * 0.618 + np.arange(seeds)[:, None] * 0.3) % 1 < share
    low, high = bootstrap_interval([right], 4000, rng())
    error = np.sqrt(right.mean(axis=1).var(ddof=1) / seeds + right.mean(axis=0).var() / images)
    assert (low + high) / 2 == pytest.approx(0.57, abs=0.005)
    assert (high - low) / 2 == pytest.approx(1.96 * error, rel=0.1)


def test_the_interval_holds_the_accuracy_of_other_trainings_on_other_images():
    """True of about 95 % of the studies; of intervals over images alone 84 % do."""
    generator = np.random.default_rng(0)
    truth, studies, held = 0.75, 200, 0
    threshold = -norm.ppf(truth) * np.sqrt(1 + 0.2**2 + 0.6**2)
    for _ in range(studies):
        image, training = generator.standard_normal(150), generator.standard_normal((4, 1))
        chance = generator.standard_normal((4, 150))
        low, high = bootstrap_interval(
            [image + 0.2 * training + 0.6 * chance > threshold], 300, generator
        )
        held += low <= truth <= high
    assert 0.92 <= held / studies <= 0.99


def test_equal_generators_give_equal_intervals():
    right = np.random.default_rng(1).random((2, 50)) < 0.5
    assert bootstrap_interval([right], 500, rng()) == bootstrap_interval([right], 500, rng())
    other = bootstrap_interval([right], 500, np.random.default_rng(4))
    assert other != bootstrap_interval([right], 500, rng())


def test_bounds_are_bias_corrected_and_accelerated():
    """Of one training right on 112 of 120 images, by the formulas of Efron 1987."""
    right = np.arange(120)[None] < 112
    resampled = binom(120, 112 / 120)  # the number of right answers in a resample
    bias = norm.ppf(resampled.cdf(111) + resampled.pmf(112) / 2)
    influence = right[0] - 112 / 120
    acceleration = (influence**3).sum() / (6 * (influence**2).sum() ** 1.5)
    shifted = bias + np.array([-1.96, 1.96])
    shares = norm.cdf(bias + shifted / (1 - acceleration * shifted))
    expected = (resampled.ppf(shares) / 120).tolist()
    assert bootstrap_interval([right], 9999, rng()) == pytest.approx(expected, abs=1e-9)
    assert expected != pytest.approx((resampled.ppf([0.025, 0.975]) / 120).tolist(), abs=1e-9)


@pytest.mark.parametrize(
    ("right", "interval"),
    [
        (np.ones((3, 5), bool), [1, 1]),
        (np.zeros((1, 5), bool), [0, 0]),
        (np.ones((1, 1), bool), [1, 1]),  # one image, one seed
        (np.array([[True], [False]]), [0, 1]),  # one image, two seeds
        (np.eye(2, dtype=bool), [0, 1]),  # no image and no seed is better: BCa is undefined
    ],
)
def test_without_a_bca_interval_it_is_that_of_percentiles(right, interval):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert bootstrap_interval([right], 200, rng()) == interval


def test_no_accuracy_is_above_one():
    right = np.ones((3, 40), bool)
    right[2, :8] = False  # stretched, the mean of the first two seeds would be 1.015
    low, high = bootstrap_interval([right], 1000, rng())
    assert 0.7 < low < right.mean()
    assert high == 1


def test_pairing_narrows_the_interval():
    b = np.tile(np.random.default_rng(2).random(300) < 0.7, (3, 1))
    a = b.copy()
    a[:, :15] = True  # better on a few images, equal on all others
    result = paired_difference(a, b, 1000, rng())
    assert result["difference"] == pytest.approx(a.mean() - b.mean())
    assert result["ci95"][0] >= 0
    unpaired = [bootstrap_interval([x], 1000, rng()) for x in (a, b)]
    width = result["ci95"][1] - result["ci95"][0]
    assert width < min(high - low for low, high in unpaired)


def test_a_training_does_not_differ_from_itself():
    right = np.random.default_rng(5).random((1, 40)) < 0.5
    result = paired_difference(right, right, 200, rng())
    assert result == {"difference": 0.0, "ci95": [0.0, 0.0]}


def test_the_seeds_of_two_models_are_drawn_apart():
    """Two models alike differ by as much as other trainings of theirs would."""
    right = np.random.default_rng(5).random((2, 400)) < [[0.5], [0.7]]
    low, high = paired_difference(right, right, 1000, rng())["ci95"]
    assert low == pytest.approx(-high, abs=0.03)
    assert high == pytest.approx(np.diff(right.mean(axis=1))[0] * np.sqrt(2), abs=0.1)


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
