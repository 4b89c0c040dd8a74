"""Probabilities from logits, and logits that do not fit their labels."""

import numpy as np
import pytest

from equimorph.errors import InputError
from equimorph.evaluation.metrics import measure
from equimorph.evaluation.probabilities import check_predictions, probabilities


def test_probabilities_are_a_stable_softmax():
    p = probabilities(np.array([[1000.0, 1000.0], [0.0, np.log(3)]], dtype=np.float32))
    np.testing.assert_allclose(p, [[0.5, 0.5], [0.25, 0.75]], rtol=1e-6)


@pytest.mark.parametrize(
    ("logits", "labels", "message"),
    [
        (np.zeros((2, 4)), np.array([0, 1]), "shape"),
        (np.zeros((0, 3)), np.array([], dtype=int), "at least one"),
        (np.zeros((2, 3)), np.array([0]), "2 rows"),
        (np.full((1, 3), np.nan), np.array([0]), "NaN"),
        (np.zeros((2, 3)), np.array([0, 3]), "allowed are 0 to 2"),
        (np.zeros((2, 3)), np.array([-1, 0]), "allowed are 0 to 2"),
    ],
)
def test_bad_predictions_are_refused(logits, labels, message):
    with pytest.raises(InputError, match=message):
        check_predictions(logits, labels, 3)
    with pytest.raises(InputError, match=message):
        measure(logits, labels, ["a", "b", "c"])
