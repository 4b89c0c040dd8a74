"""Networks as lists of plain layers: the same logits, without escnn."""

import subprocess
import sys

import pytest
import torch
from torch import nn

from equimorph.errors import InputError
from equimorph.groups.names import parse_group
from equimorph.models.plain import Blur, SpatialMean, last_maps, plain_layers, plain_network
from equimorph.study.models import resolve
from tests.jobs import TRUNK
from tests.unit.networks import initialised, prepared


def listed(network, name):
    """Return a network's list of layers and its weights."""
    group = None if name == "CNN" else parse_group(name)
    return plain_layers(network, group)


@pytest.mark.parametrize("name", ["C2", "C4", "C8", "D4", "D8", "CNN"])
def test_a_trained_network_and_its_list_have_the_same_logits(name, network_defaults):
    network, images = prepared(name, network_defaults, trained=True)
    plain = plain_network(*listed(network, name))
    with torch.no_grad():
        logits = network.eval()(images)
        assert logits.std() > 0.05
        assert torch.allclose(plain(images), logits, atol=1e-5)


@pytest.mark.parametrize(
    ("name", "size"),
    [("DeepCNN5", 65), pytest.param("CustomCNN", 95, marks=pytest.mark.slow)],
)
def test_published_networks_without_branches_have_a_list(name, size):
    network, images = prepared(name, {**TRUNK, "input_size": size}, trained=True)
    with torch.no_grad():
        assert torch.allclose(
            plain_network(*listed(network, "CNN"))(images), network.eval()(images), atol=1e-4
        )


def test_a_list_takes_an_eighth_of_an_exported_d4_networks_bytes(network_defaults):
    network = initialised(resolve("D4", {}, network_defaults))
    layers, tensors = listed(network, "D4")
    dense, weights = plain_layers(network)  # as if its group were not known
    size = {
        key: sum(t.numel() for t in kept.values())
        for key, kept in {"reduced": tensors, "dense": weights}.items()
    }
    assert [layer["kind"] for layer in layers] == [layer["kind"] for layer in dense]
    assert size["reduced"] < size["dense"] / 3  # the head and the disc are not smaller


def test_a_head_that_flattens_and_a_normalisation_by_channel_have_a_list(network_defaults):
    for own in ({"head": "flatten"}, {"normalise": "imagenet"}, {"mask": "hard"}):
        network = initialised(resolve("C4", {}, {**network_defaults, **own}))
        images = torch.randint(256, (2, 3, 65, 65), dtype=torch.uint8)
        with torch.no_grad():
            plain = plain_network(*listed(network, "C4"))
            assert torch.allclose(plain(images), network.eval()(images), atol=1e-5)


def test_the_maps_before_the_mean_are_those_of_a_class_activation_map(network_defaults):
    network = initialised(resolve("C4", {}, network_defaults))
    plain = plain_network(*listed(network, "C4"))
    last = last_maps(plain)
    assert (
        isinstance(plain[last], SpatialMean) and plain[:last](torch.zeros(1, 3, 65, 65)).ndim == 4
    )
    assert last_maps(nn.Sequential(nn.Flatten())) == 0


@pytest.mark.parametrize("name", ["E2ResNet18-C4-small", "CBFocal-ECNN"])
def test_networks_with_branches_have_no_list(name):
    network = initialised(resolve(name, {}, {**TRUNK, "input_size": 65}))
    with pytest.raises(InputError):
        plain_layers(network)


def test_an_orbits_mean_has_no_list_but_its_network_has(network_defaults):
    specification = resolve("CNN-orbit", {}, network_defaults)
    network = initialised(specification)
    with pytest.raises(InputError, match="the mean over an orbit"):
        plain_layers(network)
    assert plain_layers(network.network)[0][0]["kind"] == "normalise"


@pytest.mark.parametrize(
    ("layers", "message"),
    [
        ([], "must be a list of 1 to 512 layers"),
        ({}, "must be a list of 1 to 512 layers"),
        ([{"kind": "relu"}] * 513, "must be a list of 1 to 512 layers"),
        ([3], "layer 0: None is not allowed"),
        ([{"kind": "__import__"}], "layer 0: '__import__' is not allowed; allowed are"),
        ([{"kind": "relu"}, {"kind": "linear"}], r"layer 1 \(linear\): cannot be built"),
        ([{"kind": "relu", "inplace": 3, "more": 1}], r"layer 0 \(relu\): cannot be built"),
        ([{"kind": "conv", "stride": 1, "padding": 1, "group": "C3"}], r"layer 0 \(conv\)"),
    ],
)
def test_other_lists_are_refused(layers, message):
    with pytest.raises(InputError, match=message):
        plain_network(layers, {})


def test_a_blur_smooths_each_channel_alone():
    weight = torch.tensor([[0.0, 0.25, 0.0], [0.25, 0.0, 0.25], [0.0, 0.25, 0.0]])
    images = torch.zeros(1, 2, 3, 3)
    images[0, 1, 1, 1] = 4
    expected = torch.tensor([[0.0, 1.0, 0.0], [1.0, 0.0, 1.0], [0.0, 1.0, 0.0]])
    assert torch.equal(Blur(weight, 1, 1)(images)[0], torch.stack([torch.zeros(3, 3), expected]))


def test_a_list_runs_where_escnn_is_not():
    """A wheel cannot ask for escnn, whose own requirements do not install."""
    code = (
        "import sys; sys.modules['escnn'] = None; import torch;"
        "from equimorph.models.plain import plain_network;"
        "network = plain_network([{'kind': 'mean'}, {'kind': 'linear'}],"
        "{'1.weight': torch.ones(1, 3), '1.bias': torch.zeros(1)});"
        "assert network(torch.ones(1, 3, 2, 2)).item() == 3"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
