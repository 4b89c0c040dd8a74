"""What the tests of networks share: images, a little training, and how far logits move."""

from dataclasses import asdict

import torch
from torch.nn.functional import cross_entropy, interpolate

from equimorph.app.describe import settle
from equimorph.models.inputs import measured
from equimorph.models.preparation import Preparation


def random_images(size, count=2):
    """Return (count, 3, size, size) uint8 noise."""
    generator = torch.Generator().manual_seed(0)
    return torch.randint(256, (count, 3, size, size), dtype=torch.uint8, generator=generator)


def galaxies(size, count=6):
    """Smooth random images: a network at random weights reacts to them by more than rounding."""
    generator = torch.Generator().manual_seed(5)
    coarse = torch.rand(count, 3, 9, 9, generator=generator) * 255
    return interpolate(coarse, (size, size), mode="bicubic").clamp(0, 255)


def inputs(network, images):
    """Return all that a network takes of (B, 3, S, S) images."""
    return (images, *measured(network, images.permute(0, 2, 3, 1).numpy()))


def checkpoint_metadata(specification, classes, **more):
    """Return what a checkpoint says of a network, trained on images of 65 px and 65 arcsec."""
    size, crop = specification["input_size"], specification["crop"]
    prepared = Preparation(65, 1.0, stars_removed=None, crop=crop, input_size=size)
    metadata = {"specification": specification, "classes": list(classes), "seed": 0}
    return {**metadata, "preparation": asdict(prepared), "model": "any", **more}


def train_a_little(network, images):
    """Take four optimiser steps."""
    torch.manual_seed(0)  # dropout
    labels = torch.arange(len(images)) % 10
    optimiser = torch.optim.AdamW(network.parameters(), lr=0.003)
    network.train()
    for _ in range(4):
        optimiser.zero_grad()
        cross_entropy(network(*inputs(network, images)), labels).backward()
        optimiser.step()


def settled(network, images, least=0.02):
    """Set the running statistics to the images'; the logits must then react to them."""
    given = inputs(network, images)
    settle(network, *given)
    with torch.no_grad():
        assert network(*given).std(dim=0).max() > least
    return network


def largest_change(network, images, moved):
    """Return how far the logits of any image move."""
    network.eval()
    with torch.no_grad():
        still = network(*inputs(network, images))
        return (still - network(*inputs(network, moved))).abs().max().item()


def spoil(network):
    """Overwrite all that `initialise` must set."""
    with torch.no_grad():
        for tensor in network.state_dict().values():
            tensor.fill_(7)
