"""Logits of many images: those of the network in evaluation mode, batch by batch."""

import pytest
import torch
from torch import nn

from equimorph.models.prediction import predict_logits


@pytest.mark.parametrize("batch_size", [1, 3, 7, 128])
def test_batches_do_not_show(batch_size):
    torch.manual_seed(0)
    network = nn.Sequential(
        nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.Flatten(), nn.Dropout(0.5), nn.Linear(36, 2)
    )
    images = torch.rand(7, 3, 5, 5)
    network(images)  # moves the running statistics
    expected = network.eval()(images)
    found = predict_logits(network.train(), images, batch_size=batch_size)
    assert not network.training and not found.requires_grad
    torch.testing.assert_close(found, expected.detach())


def test_logits_are_float32_whatever_the_network_computes_in():
    network = nn.Sequential(nn.Flatten(), nn.Linear(12, 2)).bfloat16()
    found = predict_logits(network, torch.rand(3, 3, 2, 2).bfloat16())
    assert found.dtype == torch.float32 and found.shape == (3, 2)


class Weighted(nn.Module):
    """Takes what is measured on each image, too."""

    def __init__(self):
        super().__init__()
        self.factor = nn.Parameter(torch.tensor(2.0))

    def forward(self, images, weights):
        """Return a weighted mean per image."""
        return self.factor * images.mean(dim=(1, 2, 3))[:, None] * weights


def test_what_is_measured_on_images_goes_with_them():
    images, weights = torch.rand(5, 3, 2, 2), torch.arange(5.0)[:, None]
    found = predict_logits(Weighted(), images, weights, batch_size=2)
    torch.testing.assert_close(found, 2 * images.mean(dim=(1, 2, 3))[:, None] * weights)
