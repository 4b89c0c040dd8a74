"""The class-balanced focal loss, against its paper and torch's cross-entropy."""

import pytest
import torch
from torch.nn.functional import cross_entropy, one_hot

from equimorph.training.class_weights import class_weights
from equimorph.training.losses.focal import Loss, focal_loss
from tests.unit.training.losses.batches import LABELS, batch


def test_the_default_is_torchs_cross_entropy_to_the_bit():
    logits, labels = batch(torch.float32)
    for smoothing in (0.0, 0.1):
        criterion = Loss().criterion(smoothing, LABELS, 3)
        expected = cross_entropy(logits, labels, label_smoothing=smoothing)
        assert torch.equal(criterion(logits, labels), expected)


@pytest.mark.parametrize("smoothing", [0.0, 0.1])
def test_gamma_zero_is_weighted_cross_entropy(smoothing):
    logits, labels = batch()
    weights = torch.tensor([2.0, 0.5, 0.5])
    criterion = Loss(class_weights=(2.0, 0.5, 0.5)).criterion(smoothing, LABELS, 3)
    soft = (1 - smoothing) * one_hot(labels, 3).double() + smoothing / 3
    expected = cross_entropy(logits, soft, weights.double())
    torch.testing.assert_close(criterion(logits, labels), expected)


def test_focal_loss_is_that_of_the_paper():
    logits, labels = batch()
    weights = class_weights("effective", 0.999, LABELS, 3)
    criterion = Loss(gamma=1.006795, class_weights="effective").criterion(0.0, LABELS, 3)
    p = logits.softmax(1).gather(1, labels[:, None])[:, 0]
    expected = (-weights[labels] * (1 - p) ** 1.006795 * p.log()).mean()
    torch.testing.assert_close(criterion(logits, labels), expected)


@pytest.mark.parametrize("gamma", [0.0, 0.5, 1.006795, 2.0])
def test_gradient(gamma):
    logits, labels = batch()
    soft = 0.9 * one_hot(labels, 3).double() + 0.1 / 3
    weights = torch.tensor([2.0, 0.4, 0.6], dtype=torch.float64)
    for targets in (one_hot(labels, 3).double(), soft):
        assert torch.autograd.gradcheck(
            lambda z, targets=targets: focal_loss(z, targets, gamma, weights),
            logits.clone().requires_grad_(),
        )


@pytest.mark.parametrize("gamma", [0.0, 0.5, 1.006795, 5.0])
@pytest.mark.parametrize("scale", [20.0, 90.0, 1e4, 1e30])
def test_it_is_finite_for_p_to_0_and_to_1(gamma, scale):
    logits = torch.tensor([[scale, -scale, 0.0], [0.0, 0.0, scale]], requires_grad=True)
    for labels in ([0, 2], [1, 0]):
        targets = one_hot(torch.tensor(labels), 3).float()
        loss = focal_loss(logits, targets, gamma)
        (gradient,) = torch.autograd.grad(loss, logits)
        assert loss.isfinite() and gradient.isfinite().all()
        right = labels == [0, 2]
        assert loss < 1e-3 if right else loss > 10
        assert (gradient.abs().max() > 0.3) != right


def test_a_well_known_image_counts_for_less():
    logits = torch.tensor([[3.0, 0.0], [0.2, 0.0]])
    targets = one_hot(torch.tensor([0, 0]), 2).float()
    shares = [
        float(focal_loss(logits[:1], targets[:1], g) / focal_loss(logits[1:], targets[1:], g))
        for g in (0.0, 1.0, 2.0)
    ]
    assert shares[0] > 5 * shares[1] > 25 * shares[2]


def test_mixed_targets_give_the_mean_of_the_losses():
    logits, labels = batch()
    one, two = one_hot(labels, 3).double(), one_hot((labels + 1) % 3, 3).double()
    for loss in (Loss(), Loss(gamma=2.0, class_weights=(2.0, 0.5, 0.5))):
        criterion = loss.criterion(0.1, LABELS, 3)
        mixed = criterion(logits, 0.3 * one + 0.7 * two)
        expected = 0.3 * criterion(logits, one) + 0.7 * criterion(logits, two)
        torch.testing.assert_close(mixed, expected)
