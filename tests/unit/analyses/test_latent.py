"""The latent space: known distances, neighbours and maps."""

import numpy as np
import pytest

from equimorph.analyses.latent import (
    METHODS,
    distances,
    flat_map,
    nearest,
    purity,
    spread,
    turn_scatter,
)
from equimorph.errors import InputError


def clouds(count=30, apart=20.0, seed=0):
    """Three clouds of width 1 in five dimensions, `apart` from one another."""
    labels = np.repeat([0, 1, 2], count)
    centres = apart / np.sqrt(2) * np.eye(3, 5)
    noise = np.random.default_rng(seed).normal(size=(3 * count, 5))
    return centres[labels] + noise, labels


def test_distances_are_in_units_of_the_spread():
    clean = np.random.default_rng(0).normal(size=(4000, 9)) * 2
    assert spread(clean) == pytest.approx(2 * 3, rel=0.02)
    moved = distances(clean, clean + np.array([6.0] + [0.0] * 8))
    np.testing.assert_allclose(moved, 1, rtol=0.02)
    # Unrelated images; and the scale of a network does not matter.
    unrelated = distances(clean, clean[::-1])
    assert np.sqrt((unrelated**2).mean()) == pytest.approx(np.sqrt(2), rel=0.02)
    np.testing.assert_allclose(distances(7 * clean, 7 * clean[::-1]), unrelated)
    assert (distances(np.ones((3, 2)), np.zeros((3, 2))) == 0).all()


def test_turns_scatter_about_their_mean():
    clean = np.random.default_rng(0).normal(size=(500, 4))
    still = np.stack([clean, clean, clean])
    assert (turn_scatter(still, clean) < 1e-12).all()
    shifted = np.stack([clean + 1, clean - 1])  # each 2 from the mean in four dimensions
    np.testing.assert_allclose(turn_scatter(shifted, clean), 2 / spread(clean))


def test_neighbours_are_of_the_same_cloud():
    embeddings, labels = clouds()
    assert (purity(labels, nearest(embeddings)) == 1).all()
    assert (nearest(embeddings) != np.arange(90)[:, None]).all()
    mixed = np.random.default_rng(1).permutation(labels)
    assert purity(mixed, nearest(embeddings)).mean() == pytest.approx(1 / 3, abs=0.1)


@pytest.mark.parametrize("method", METHODS)
def test_a_map_keeps_clouds_apart(method):
    if method == "umap":
        pytest.importorskip("umap", reason="UMAP is an extra")
    embeddings, labels = clouds()
    places = flat_map(embeddings, method, seed=0)
    assert places.shape == (90, 2) and spread(places) == pytest.approx(1)
    assert (purity(labels, nearest(places)) == 1).all()
    np.testing.assert_allclose(flat_map(embeddings, method, seed=0), places, atol=1e-6)


def test_another_method():
    with pytest.raises(InputError, match="analyses.latent.methods 'lda': allowed are pca, tsne"):
        flat_map(np.zeros((9, 3)), "lda", 0)


@pytest.mark.parametrize("method", ["pca", "tsne", "isomap"])
def test_a_network_that_tells_nothing_apart_has_one_place(method):
    rounded = np.float32(0.5) * (1 + np.eye(8, 3, dtype=np.float32) * 1e-7)
    assert not flat_map(rounded, method, 0).any()
    assert not flat_map(np.zeros((8, 3)), method, 0).any()
