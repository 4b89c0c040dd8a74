"""The training images that are most like an image, as evidence for its class."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class Neighbour:
    """A training image.

    Attributes:
        index: row of the training's raw file; of Galaxy10's own file where `h5_index` was known.
        ra: right ascension in degrees, NaN where unknown.
        dec: declination in degrees, NaN where unknown.
        label: its class, as it was trained on.
        similarity: cosine of the angle between the embeddings, at most 1.
    """

    index: int
    ra: float
    dec: float
    label: str
    similarity: float


@dataclass(frozen=True)
class TrainingImages:
    """The training images as the network sees them.

    Attributes:
        embeddings: (N, E) float16.
        index: (N,) rows, as `Neighbour.index`.
        label: (N,) numbers of the classes.
        ra: (N,) degrees.
        dec: (N,) degrees.
    """

    embeddings: NDArray[np.float16]
    index: NDArray[np.int32]
    label: NDArray[np.uint8]
    ra: NDArray[np.float64]
    dec: NDArray[np.float64]

    def nearest(self, embeddings: NDArray, classes: list[str], count: int) -> list[list[Neighbour]]:
        """Return the `count` most similar training images for each of (M, E) embeddings."""
        own = _unit(self.embeddings.astype(np.float32))
        similarity = np.minimum(_unit(embeddings.astype(np.float32)) @ own.T, 1)
        order = np.argsort(-similarity, axis=1, kind="stable")[:, :count]
        return [
            [self._neighbour(row, classes, float(cosine[row])) for row in rows.tolist()]
            for rows, cosine in zip(order, similarity, strict=True)
        ]

    def _neighbour(self, row: int, classes: list[str], similarity: float) -> Neighbour:
        place = float(self.ra[row]), float(self.dec[row])
        return Neighbour(int(self.index[row]), *place, classes[self.label[row]], similarity)


def _unit(vectors: NDArray) -> NDArray:
    """Return vectors of length 1; one of zeros stays as it is."""
    length = np.linalg.norm(vectors, axis=1, keepdims=True)
    return vectors / np.where(length > 0, length, 1)
