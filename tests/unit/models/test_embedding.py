"""Embeddings: what the last layer takes."""

import pytest
import torch
from torch import nn

from equimorph.errors import InputError
from equimorph.groups.names import parse_group
from equimorph.models.embedding import predict_embeddings
from equimorph.models.orbit import OrbitAverage
from equimorph.models.prediction import predict_logits
from equimorph.study.models import resolve
from tests.unit.networks import galaxies, initialised, inputs, prepared


@pytest.mark.parametrize("name", ["D4", "CNN", "CBFocal-CNN"])
def test_the_last_layer_makes_the_logits_of_the_embeddings(name, network_defaults):
    network, images = prepared(name, network_defaults, trained=False)
    given = inputs(network, images)
    logits, embeddings = predict_embeddings(network, *given, batch_size=4)
    (last,) = [m for m in network.modules() if isinstance(m, nn.Linear) and m.out_features == 10]
    assert torch.allclose(last(embeddings), logits, atol=1e-5)
    assert torch.equal(logits, predict_logits(network, *given, batch_size=4))
    assert len(embeddings) == len(images)


def test_of_an_orbit_it_is_the_mean_whose_logits_those_are(network_defaults):
    network = initialised(resolve("CNN", {}, network_defaults))
    orbit = OrbitAverage(network, parse_group("D4"))
    logits, embeddings = predict_embeddings(orbit, galaxies(65))
    assert torch.allclose(network.classifier[-1](embeddings), logits, atol=1e-4)


def test_no_hook_is_left_and_a_network_without_a_linear_layer_is_refused(network_defaults):
    network = initialised(resolve("CNN", {}, network_defaults))
    predict_embeddings(network, galaxies(65))
    assert not any(module._forward_pre_hooks for module in network.modules())
    with pytest.raises(InputError, match="has no linear layer"):
        predict_embeddings(nn.Sequential(nn.Flatten()), galaxies(65))
