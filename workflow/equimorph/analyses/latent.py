"""How a network arranges galaxies: neighbours, distances, the scatter of turns, flat maps.

Networks have embeddings of different lengths and scales. Distances are therefore in units of the
spread of the clean test images, the root mean square distance from their mean, which makes them
comparable between networks: 1.4 is the distance of two unrelated images.

scikit-learn takes a second to import: each function imports what it alone needs.
"""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from equimorph.choices import choose
from equimorph.errors import InputError

NEIGHBOURS = 10
ROUNDING = 1e-6  # of float32


def spread(embeddings: NDArray) -> float:
    """Return the root mean square distance of embeddings (N, E) from their mean."""
    return float(np.sqrt(((embeddings - embeddings.mean(axis=0)) ** 2).sum(axis=1).mean()))


def distances(
    clean: NDArray, degraded: NDArray, all_clean: NDArray | None = None
) -> NDArray[np.float64]:
    """Return how far each image moves, in units of the spread of the clean test images.

    Args:
        clean: (N, E) embeddings of the images as they were taken.
        degraded: (N, E) of the same images, degraded.
        all_clean: (M, E) of all clean test images, where the N are some of them.

    Returns:
        (N,); 0 for a network that gives all images the same embedding.
    """
    unit = spread(clean if all_clean is None else all_clean)
    moved = np.linalg.norm(degraded.astype(np.float64) - clean, axis=1)
    return moved / unit if unit else np.zeros(len(clean))


def turn_scatter(turned: NDArray, clean: NDArray) -> NDArray[np.float64]:
    """Return how far each image's turns scatter about their mean, in units of the spread.

    Args:
        turned: (turns, N, E) embeddings of the same images at several angles.
        clean: (M, E) embeddings of the clean test images.

    Returns:
        (N,) root mean square distances.
    """
    unit = spread(clean)
    squares = ((turned - turned.mean(axis=0)) ** 2).sum(axis=2).mean(axis=0)
    return np.sqrt(squares) / unit if unit else np.zeros(turned.shape[1])


def nearest(embeddings: NDArray, count: int = NEIGHBOURS) -> NDArray[np.int64]:
    """Return the rows of each image's nearest neighbours (N, count), itself not among them."""
    from sklearn.neighbors import NearestNeighbors

    count = min(count, len(embeddings) - 1)
    return NearestNeighbors(n_neighbors=count).fit(embeddings).kneighbors(return_distance=False)


def purity(labels: NDArray, neighbours: NDArray) -> NDArray[np.float64]:
    """Return the share of each image's neighbours that have its class, (N,).

    Args:
        labels: (N,) classes.
        neighbours: (N, count) what `nearest` returns.
    """
    return (labels[neighbours] == labels[:, None]).mean(axis=1)


def flat_map(embeddings: NDArray, method: str, seed: int) -> NDArray[np.float64]:
    """Return (N, 2) places on a map, centred, with a spread of 1.

    Args:
        embeddings: (N, E), N at least 5.
        method: a name in `METHODS`.
        seed: what t-SNE and UMAP draw from.

    Raises:
        InputError: no such method, or UMAP is not installed.
    """
    make = choose(METHODS, "analyses.latent.methods", method)
    embeddings = embeddings.astype(np.float64)
    if spread(embeddings) <= ROUNDING * np.abs(embeddings).max():
        return np.zeros((len(embeddings), 2))  # the network gives all images the same embedding
    places = make(embeddings, seed)
    places = places - places.mean(axis=0)
    return places / (spread(places) or 1)


def _pca(embeddings: NDArray, seed: int) -> NDArray:
    from sklearn.decomposition import PCA

    places = PCA(2, svd_solver="full").fit_transform(embeddings)
    # The sign of a component is arbitrary, and differs between machines.
    return places * np.where(places[np.abs(places).argmax(axis=0), [0, 1]] < 0, -1, 1)


def _tsne(embeddings: NDArray, seed: int) -> NDArray:
    from sklearn.manifold import TSNE

    perplexity = min(30.0, (len(embeddings) - 1) / 3)
    return TSNE(perplexity=perplexity, init="pca", random_state=seed).fit_transform(embeddings)


def _isomap(embeddings: NDArray, seed: int) -> NDArray:
    from sklearn.manifold import Isomap

    neighbours = min(NEIGHBOURS, len(embeddings) - 1)
    return Isomap(n_neighbors=neighbours, n_components=2).fit_transform(embeddings)


def _umap(embeddings: NDArray, seed: int) -> NDArray:
    try:
        from umap import UMAP
    except ImportError as error:
        raise InputError(
            "analyses.latent.methods: umap needs the package umap-learn, which the extra `maps` "
            "installs; allowed without it are pca, tsne, isomap."
        ) from error
    neighbours = min(15, len(embeddings) - 1)
    return UMAP(n_neighbors=neighbours, random_state=seed, n_jobs=1).fit_transform(embeddings)


METHODS: dict[str, Callable[[NDArray, int], NDArray]] = {
    "pca": _pca,
    "tsne": _tsne,
    "isomap": _isomap,
    "umap": _umap,
}
