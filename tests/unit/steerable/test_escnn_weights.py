"""Weights carried over from escnn's networks and to them: the same logits both ways."""

import pytest
import torch

from equimorph.groups.escnn import enn
from equimorph.models.architectures import cbfocal_ecnn, gcnn
from equimorph.models.initialisation import initialise
from equimorph.models.registry import build
from equimorph.steerable.escnn_weights import from_escnn, to_escnn
from equimorph.study.models import resolve
from tests.jobs import TRUNK
from tests.unit.networks import inputs, random_images, settled

MODELS = {
    "mixed": {"architecture": "cbfocal_ecnn", "mixed_fields": [2, 2, 2, 3, 3], "group": "D4"},
    "wide": {"architecture": "gcnn", "group": "D4", "stem_kernel_size": 5, "kernel_size": 5},
}
SMALL = {**TRUNK, "fields": [2, 2, 3], "pool_after": [2]}


def ours(name, seed=0):
    network = build(resolve(name, MODELS, SMALL), 3)
    initialise(network, torch.Generator().manual_seed(seed))
    return network


def escnns(name, monkeypatch):
    """The same network with escnn's own convolutions and bases, at escnn's initial weights."""

    def conv(in_type, out_type, kernel_size, stride, padding):
        return enn.R2Conv(
            in_type, out_type, kernel_size, padding=padding, stride=stride, bias=False
        )

    with monkeypatch.context() as patch:
        for module in (gcnn, cbfocal_ecnn):
            patch.setattr(module, "SteerableConv", conv)
        torch.manual_seed(1)
        network = build(resolve(name, MODELS, SMALL), 3)
    assert {type(m) for m in network.modules() if isinstance(m, enn.R2Conv)} == {enn.R2Conv}
    return network


def logits(network, images):
    with torch.no_grad():
        return network.eval()(*inputs(network, images))


def equal(one, other, images):
    expected = logits(other, images)
    assert expected.std(dim=0).min() > 1e-3
    torch.testing.assert_close(logits(one, images), expected, rtol=0, atol=1e-5)


@pytest.mark.parametrize("name", ["C4", "C8", "D4", "D8", "mixed", "wide"])
def test_logits_are_equal_both_ways(name, monkeypatch):
    images = random_images(33, 4).float()
    theirs = settled(escnns(name, monkeypatch), images, least=1e-3)
    mine = ours(name)
    mine.load_state_dict(from_escnn(theirs.state_dict(), mine))
    equal(mine, theirs, images)
    stems = [m for m in mine.modules() if isinstance(m, enn.R2Conv)]
    assert len(stems) >= 3  # the stem and hidden layers

    trained = settled(ours(name, seed=5), images, least=1e-3)
    back = escnns(name, monkeypatch).train()
    back.load_state_dict(to_escnn(trained.state_dict(), back))
    equal(back, trained, images)


@pytest.mark.parametrize("name", ["C8", "D4"])
def test_there_and_back_is_the_same_to_the_bit(name, monkeypatch):
    mine, theirs = ours(name), escnns(name, monkeypatch)
    state = {key: value.clone() for key, value in mine.state_dict().items()}
    there = to_escnn(state, theirs)
    back = from_escnn(there, mine)
    assert back.keys() == state.keys()
    assert all(torch.equal(back[key], state[key]) for key in state)
    learned = dict(mine.named_parameters())
    assert all(torch.equal(there[key], to_escnn(learned, theirs)[key]) for key in learned)


def test_other_signs_than_this_machines_are_those_in_the_state(monkeypatch):
    """As of a state dict from another type of CPU: bases and weights turned alike."""
    images = random_images(33, 4).float()
    theirs, mine = escnns("D4", monkeypatch), ours("D4")
    expected = from_escnn(theirs.state_dict(), mine)
    state = theirs.state_dict()
    for name in [key for key in state if key.endswith("sampled_basis")]:
        flips = torch.where(torch.arange(len(state[name])) % 3 == 0, -1.0, 1.0)
        state[name] = state[name] * flips[:, None, None, None]
        conv = name.split("._basisexpansion")[0]
        weights = state[f"{conv}.weights"]
        state[f"{conv}.weights"] = (weights.view(-1, len(flips)) * flips).flatten()
    found = from_escnn(state, mine)
    assert all(torch.equal(found[key], expected[key]) for key in expected)
    mine.load_state_dict(found)
    assert logits(mine, images).isfinite().all()


def test_what_does_not_fit_is_told(monkeypatch):
    mine, theirs = ours("C4"), escnns("C4", monkeypatch)
    with pytest.raises(ValueError, match=r"blocks\.0\.weights: has shape"):
        from_escnn(escnns("wide", monkeypatch).state_dict(), mine)
    with pytest.raises(ValueError, match=r"the state has no blocks\.0\._basis.*sampled_basis"):
        from_escnn(mine.state_dict(), mine)
    with pytest.raises(ValueError, match=r"the state has no blocks\.0\.weights"):
        to_escnn({}, theirs)
    with pytest.raises(ValueError, match="must be in training mode"):
        to_escnn(mine.state_dict(), theirs.eval())
