"""Which images an epoch shows."""

import pytest
import torch

from equimorph.training.sampler import SAMPLERS, epoch_length, epoch_order

COUNTS = [7, 30, 12]
LABELS = torch.repeat_interleave(torch.tensor([0, 1, 3]), torch.tensor(COUNTS))  # no class 2


def order(sampler, seed=0, labels=LABELS):
    return epoch_order(sampler, labels, torch.Generator().manual_seed(seed))


@pytest.mark.parametrize("sampler", SAMPLERS)
def test_length_seed_and_shuffling(sampler):
    one = order(sampler)
    assert len(one) == epoch_length(sampler, LABELS)
    assert torch.equal(one, order(sampler))
    assert not torch.equal(one, order(sampler, seed=1))
    assert (LABELS[one].diff() != 0).sum() > 5  # classes are mixed


def test_none_shows_each_image_once():
    assert torch.equal(order("none").sort()[0], torch.arange(len(LABELS)))


def test_over_sampling_repeats_evenly_to_the_largest():
    shown = order("over")
    assert torch.bincount(LABELS[shown]).tolist() == [30, 30, 0, 30]
    times = torch.bincount(shown, minlength=len(LABELS))
    assert sorted(times[:7].tolist()) == [4] * 5 + [5] * 2  # 30 = 4 * 7 + 2
    assert times[7:37].eq(1).all()
    assert sorted(times[37:].tolist()) == [2] * 6 + [3] * 6


def test_under_sampling_leaves_out_to_the_smallest_and_others_each_epoch():
    shown = order("under")
    assert torch.bincount(LABELS[shown]).tolist() == [7, 7, 0, 7]
    assert len(shown.unique()) == 21
    seen = torch.cat([order("under", seed) for seed in range(40)]).unique()
    assert len(seen) == len(LABELS)


def test_weighted_sampling_makes_classes_equally_likely():
    labels = torch.repeat_interleave(torch.arange(3), torch.tensor([100, 2000, 900]))
    shares = torch.bincount(labels[order("weighted", labels=labels)]) / 3000
    # Standard error of a share: sqrt(2/9 / 3000) = 0.0086.
    torch.testing.assert_close(shares, torch.full((3,), 1 / 3), rtol=0, atol=0.03)
    times = torch.bincount(order("weighted", labels=labels), minlength=3000)
    assert times[:100].float().mean() > 8 and times[100:2100].float().mean() < 0.6
