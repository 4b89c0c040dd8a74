"""Weights are drawn from a generator alone."""

import torch

from equimorph.models.checkpoint import learned_state
from equimorph.study.models import resolve
from tests.unit.networks import initialised


def test_initialisation_follows_its_generator(network_defaults):
    specification = resolve("C4", {}, network_defaults)
    one, again, other = (learned_state(initialised(specification, seed=s)) for s in (1, 1, 2))
    assert all(torch.equal(one[name], again[name]) for name in one)
    assert not torch.equal(one["classifier.0.weight"], other["classifier.0.weight"])
    assert not torch.equal(one["blocks.0.weights"], other["blocks.0.weights"])
