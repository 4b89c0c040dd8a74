"""Exported networks: the same logits from plain torch modules, without escnn."""

import subprocess
import sys

import pytest
import torch
from torch import nn

from equimorph.errors import InputError
from equimorph.groups.escnn import enn
from equimorph.groups.names import parse_group
from equimorph.models.export import export
from equimorph.models.head import CircularMask, Normalise
from equimorph.models.initialisation import initialise
from equimorph.models.registry import build
from equimorph.steerable.convolution import SteerableConv, plane
from equimorph.study.models import resolve
from tests.unit.networks import inputs

MODELS = {
    "flatten": {"architecture": "gcnn", "group": "C4", "head": "flatten"},
    "SO2": {"architecture": "harmonic", "group": "SO2", "band_limit": 2, "samples": 8},
    "O2": {"architecture": "harmonic", "group": "O2", "band_limit": 1, "samples": 4},
    "resnet": {
        "architecture": "e2resnet",
        "group": "D4",
        "blocks": [1, 1, 1, 1],
        "bottleneck": True,
        "base_width": 2,
    },
    "wrn": {"architecture": "e2wrn", "groups": ["D4", "C4", "C1"], "depth": 10, "widen": 1,
            "keep_parameters": False},
    "cbfocal": {"architecture": "cbfocal_ecnn", "mixed_fields": [2, 2, 2, 3, 3]},
    "orbit": {"architecture": "gcnn", "group": "C2", "orbit": "D4"},
    "vit": {"architecture": "vit", "patch": 13, "dim": 16, "heads": 2, "mlp": 32, "layers": 1},
}  # fmt: skip


def images(count=4):
    generator = torch.Generator().manual_seed(5)
    coarse = torch.rand(count, 3, 9, 9, generator=generator) * 255
    return torch.nn.functional.interpolate(coarse, (65, 65), mode="bicubic").clamp(0, 255)


def trained(name, defaults):
    """A network whose running statistics are those of a batch, in training mode."""
    short = {**defaults, "fields": [2, 3, 3], "pool_after": [1, 3]}
    network = build(resolve(name, MODELS, short), 10)
    initialise(network, torch.Generator().manual_seed(3))
    for module in network.modules():
        if hasattr(module, "momentum"):
            module.momentum = 1.0
    with torch.no_grad():
        network.train()(*inputs(network, images(8)))
    return network


@pytest.mark.parametrize("name", ["CNN", "C4", "D4", "C16", *MODELS])
def test_logits_are_the_same(name, network_defaults):
    network = trained(name, network_defaults)
    state = {key: value.clone() for key, value in network.state_dict().items()}
    exported = export(network)
    assert network.training and not exported.training
    after = network.state_dict()
    assert state.keys() == after.keys()
    assert all(torch.equal(value, after[key]) for key, value in state.items())
    network.eval()
    with torch.no_grad():
        for batch in (images(), images(1), images().to(torch.uint8)):
            logits = network(*inputs(network, batch))
            exports = exported(*inputs(exported, batch))
            torch.testing.assert_close(exports, logits, rtol=0, atol=1e-5)
        assert logits.std(dim=0).max() > 1e-3


@pytest.mark.parametrize("name", ["C4", "O2", "resnet", "wrn", "cbfocal"])
def test_nothing_of_escnn_is_left(name, network_defaults):
    exported = export(trained(name, network_defaults))
    assert not any("escnn" in type(module).__module__ for module in exported.modules())
    assert isinstance(exported.normalise, Normalise)
    assert isinstance(exported.mask, CircularMask)


def test_exported_convolutions_are_torchs_and_keep_their_names(network_defaults):
    exported = export(trained("D4", network_defaults))
    kinds = [type(module) for module in exported.blocks]
    assert kinds[:4] == [nn.Conv2d, nn.BatchNorm2d, nn.ReLU, nn.Conv2d]
    assert exported.blocks[0].weight.shape == (2 * 8, 3, 3, 3)
    assert [type(module) for module in exported.classifier[:3]] == [
        nn.Linear,
        nn.BatchNorm1d,
        nn.ELU,
    ]


def test_it_runs_where_there_is_no_escnn(network_defaults, tmp_path):
    network = trained("cbfocal", network_defaults)
    with torch.no_grad():
        given = inputs(network, images())
        torch.save((export(network), given, network.eval()(*given)), tmp_path / "network.pt")
    command = (
        "import sys; sys.modules['escnn'] = None\n"
        "import torch\n"
        f"network, given, logits = torch.load({str(tmp_path / 'network.pt')!r},"
        " weights_only=False)\n"
        "torch.testing.assert_close(network(*given), logits, rtol=0, atol=1e-5)\n"
    )
    environment = {"PYTHONPATH": ":".join(sys.path)}
    subprocess.run([sys.executable, "-c", command], env=environment, check=True)


def test_it_shares_no_weights_with_the_original(network_defaults):
    network = trained("C4", network_defaults).eval()
    with torch.no_grad():
        before = network(images())
        for parameter in export(network).parameters():
            parameter.zero_()
        assert torch.equal(network(images()), before)


def test_gradients_reach_the_images(network_defaults):
    network = trained("D4", network_defaults)
    exported, network = export(network), network.eval()
    gradients = []
    for each in (network, exported):
        batch = images().requires_grad_()
        each(batch).square().sum().backward()
        gradients.append(batch.grad)
    assert gradients[0].abs().max() > 0
    torch.testing.assert_close(gradients[1], gradients[0])


class Norms(nn.Module):
    """Uses a nonlinearity that escnn cannot export."""

    def __init__(self, sequence):
        super().__init__()
        space = plane(parse_group("C4"))
        self.input_type = enn.FieldType(space, 3 * [space.trivial_repr])
        vectors = enn.FieldType(space, 2 * [space.irrep(1)])
        parts = (SteerableConv(self.input_type, vectors, 3, 1, 1), enn.NormNonLinearity(vectors))
        self.blocks = sequence(*parts)

    def forward(self, images):
        """Map (B, 3, S, S) to (B, 4)."""
        fields = enn.GeometricTensor(images, self.input_type)
        return self.blocks(fields).tensor.mean((2, 3))


@pytest.mark.parametrize("sequence", [enn.SequentialModule, nn.Sequential])
def test_what_has_no_plain_form_is_named(sequence):
    network = Norms(sequence)
    with pytest.raises(InputError, match=r"blocks\.1: NormNonLinearity has no plain form"):
        export(network)
    assert network.training


@pytest.mark.parametrize("name", ["cbfocal", "D4", "vit"])
def test_torch_exports_an_exported_network(name, network_defaults):
    network = export(trained(name, network_defaults))
    given = inputs(network, images())
    program = torch.export.export(network, given).module()
    with torch.no_grad():
        assert torch.equal(program(*given), network(*given))
