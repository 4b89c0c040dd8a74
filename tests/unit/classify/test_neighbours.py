"""The nearest training images."""

import numpy as np

from equimorph.classify.neighbours import TrainingImages


def training(embeddings):
    n = len(embeddings)
    places = np.arange(n, dtype=np.float64)
    return TrainingImages(
        np.asarray(embeddings, np.float16),
        np.arange(100, 100 + n, dtype=np.int32),
        (np.arange(n) % 2).astype(np.uint8),
        places,
        -places,
    )


def test_the_most_similar_come_first_whatever_their_length():
    images = training([[1, 0], [10, 1], [0, 3], [-1, 0], [0, 0]])
    (found,) = images.nearest(np.array([[2.0, 0.0]]), ["a", "b"], 4)
    assert [one.index for one in found] == [100, 101, 102, 104]
    assert [one.label for one in found] == ["a", "b", "a", "a"]
    assert np.allclose([one.similarity for one in found], [1, 10 / 101**0.5, 0, 0], atol=1e-6)
    assert (found[1].ra, found[1].dec) == (1, -1)


def test_there_are_no_more_than_all():
    images = training([[1, 0], [0, 1]])
    found = images.nearest(np.array([[1.0, 0.0], [0.0, 1.0]]), ["a", "b"], 9)
    assert [[one.index for one in each] for each in found] == [[100, 101], [101, 100]]
