"""Weights of the classes, from their numbers of images."""

import warnings

import pytest
import torch

from equimorph.errors import InputError
from equimorph.training.class_weights import class_weights
from equimorph.training.losses.focal import Loss
from tests.unit.training.losses.batches import COUNTS, LABELS, batch


def test_effective_numbers_are_the_published_ones():
    weights = class_weights("effective", 0.999, LABELS, 3).double()
    assert weights.sum() == pytest.approx(3)
    effective = torch.tensor([181.35, 477.61, 795.63])  # (1 - 0.999^n) / 0.001
    torch.testing.assert_close(
        weights[0] / weights, (effective / effective[0]).double(), rtol=1e-4, atol=0
    )


def test_inverse_is_the_limit_of_effective():
    inverse = class_weights("inverse", 0.999, LABELS, 3)
    nearly = class_weights("effective", 1 - 1e-9, LABELS, 3)
    torch.testing.assert_close(inverse, nearly, rtol=1e-4, atol=0)
    torch.testing.assert_close(inverse[0] / inverse[2], torch.tensor(1587 / 200))


def test_a_beta_that_does_nothing_is_told():
    with pytest.warns(UserWarning, match=r"beta 0.930867: all classes .* 200 to 1587 images"):
        weights = class_weights("effective", 0.930867, LABELS, 3)
    torch.testing.assert_close(weights, torch.ones(3), rtol=1e-4, atol=0)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        class_weights("effective", 0.999, LABELS, 3)
        # Equal classes weigh the same whatever beta is.
        class_weights("effective", 0.999, torch.arange(30) % 3, 3)


def test_weights_that_are_not_normalised_are_s2s():
    """(1 - beta) / (1 - beta^n): with S2's beta each class weighs 1 / 14.4649."""
    logits, labels = batch()
    published = Loss(1.006795, "effective", 0.930867, normalise=False)
    with pytest.warns(UserWarning, match="all classes weigh the same"):
        weights = class_weights("effective", 0.930867, LABELS, 3, normalise=False)
        normalised = Loss(1.006795, "effective", 0.930867).criterion(0.0, LABELS, 3)
        criterion = published.criterion(0.0, LABELS, 3)
    torch.testing.assert_close(weights, torch.full((3,), 1 / 14.4649), rtol=1e-4, atol=0)
    ratio = normalised(logits, labels) / criterion(logits, labels)
    assert ratio.item() == pytest.approx(14.4649, rel=1e-4)
    inverse = class_weights("inverse", 0.999, LABELS, 3, normalise=False)
    torch.testing.assert_close(inverse, 1 / torch.tensor(COUNTS).float())


def test_weights_that_cannot_be():
    with pytest.raises(InputError, match="2 numbers; allowed are .* each of the 3 classes"):
        class_weights((1.0, 2.0), 0.999, LABELS, 3)
    for kind in ("inverse", "effective"):
        with pytest.raises(InputError, match="class 3 has no training image"):
            class_weights(kind, 0.999, LABELS, 4)
