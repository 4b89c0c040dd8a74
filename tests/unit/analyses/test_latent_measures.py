"""Measures of latent spaces, from stored embeddings."""

import numpy as np
import pytest

from equimorph.analyses.latent_measures import latent_measures


def stored():
    label = np.array([0, 0, 1, 1])
    return {
        "label": label,
        "neighbours": np.array([[1, 2], [0, 2], [3, 0], [2, 0]]),  # half of the same class
        "turn_scatter": np.array([0.1, 0.3, 0.1, 0.3], np.float32),
        "conditions": np.array(["rotated", "noise-50"]),
        "distances": np.array([[0.1, 0.2, 0.3, 0.4], [1, 2, 3, 4]], np.float32),
        "wrong": np.array([[0, 0, 0, 0], [0, 1, 0, 1]], bool),
    }


def test_means_and_intervals():
    found = latent_measures({"D4": stored()}, 500, 0)
    assert found["images"] == 4 and found["neighbours"] == 3
    one = found["networks"]["D4"]
    assert one["purity"]["mean"] == 0.5
    assert one["turn_scatter"]["mean"] == pytest.approx(0.2)
    assert one["turn_scatter"]["ci95"][0] < 0.2 < one["turn_scatter"]["ci95"][1]
    rotated, noisy = one["distances"].values()
    assert rotated["all"]["mean"] == pytest.approx(0.25) and rotated["wrong"] is None
    assert noisy["wrong"]["mean"] == 3


def test_attacked_images_are_a_condition_of_their_own():
    attacked = {"attacked": np.array([0.5, 1.5, 1.0]), "fooled": np.array([False, True, False])}
    spared = {"attacked": np.empty(0), "fooled": np.empty(0, bool)}
    found = latent_measures({"D4": stored() | attacked, "C4": stored() | spared}, 500, 0)
    one = found["networks"]["D4"]["distances"]
    assert list(one) == ["rotated", "noise-50", "one-pixel"]
    assert one["one-pixel"]["all"]["mean"] == 1 and one["one-pixel"]["wrong"]["mean"] == 1.5
    assert found["networks"]["C4"]["distances"]["one-pixel"] == {"all": None, "wrong": None}
