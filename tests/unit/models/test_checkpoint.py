"""Checkpoints: packed, whole, and of this project alone."""

import json
import zlib

import numpy as np
import pytest
import torch
from safetensors.torch import save, save_file

from equimorph.errors import InputError
from equimorph.models.checkpoint import (
    FORMAT,
    learned_state,
    load_learned_state,
    pack,
    save_checkpoint,
    unpack,
)
from equimorph.models.registry import build
from equimorph.models.trained import load_checkpoint
from equimorph.study.models import resolve
from tests.unit.networks import checkpoint_metadata, initialised


def images(size, count=4, seed=0):
    return torch.rand(count, 3, size, size, generator=torch.Generator().manual_seed(seed)) * 255


@pytest.mark.parametrize("name", ["CNN", "D4"])
def test_checkpoint_round_trip(name, network_defaults, tmp_path):
    specification = resolve(name, {}, network_defaults)
    network = initialised(specification)
    network.train()
    network(images(65))  # moves the running statistics
    state = learned_state(network)
    metadata = checkpoint_metadata(specification, "abcdefghij", model=name)
    save_checkpoint(tmp_path / "model.safetensors", state, metadata)
    loaded = load_checkpoint(tmp_path / "model.safetensors")
    (prepared,) = loaded.prepare(np.zeros((2, 70, 70, 3), np.uint8))
    assert prepared.shape == (2, 3, 65, 65)
    assert loaded.classes == list("abcdefghij")
    with torch.no_grad():
        assert torch.equal(loaded.network(images(65)), network.eval()(images(65)))
        loaded.network.train()
        network.train()
        assert torch.equal(loaded.network(images(65)), network(images(65)))


@pytest.mark.parametrize("length", [0, 3, 4, 1021])
def test_whatever_is_packed_is_unpacked(length):
    content = np.random.default_rng(length).bytes(length)
    assert unpack(pack(content)) == content


def test_weights_are_packed_by_a_sixth():
    weights = save({"w": torch.randn(99_999, generator=torch.Generator().manual_seed(0)) / 30})
    assert len(pack(weights)) < 0.86 * len(weights) < 0.95 * len(zlib.compress(weights, 9))


def test_foreign_and_damaged_checkpoints_are_refused(tmp_path, network_defaults):
    (tmp_path / "cut.safetensors").write_bytes(b"\x10\x00")
    with pytest.raises(InputError, match="cut.safetensors: not a readable safetensors file"):
        load_checkpoint(tmp_path / "cut.safetensors")
    with pytest.raises(InputError, match="missing.safetensors: not a readable"):
        load_checkpoint(tmp_path / "missing.safetensors")
    save_file({"w": torch.zeros(1)}, tmp_path / "other.safetensors")
    with pytest.raises(InputError, match="not a model of equimorph"):
        load_checkpoint(tmp_path / "other.safetensors")
    packed = {
        "cut short": pack(save({"w": torch.ones(9)}))[:-5],
        "incorrect header check": b"no such thing",
        "packed more than weights can be": zlib.compress(bytes(10**6)),
        "header": pack(b"no weights"),
    }
    for number, (words, content) in enumerate(packed.items()):
        path = tmp_path / f"damaged-{number}.safetensors"
        tensor = torch.frombuffer(bytearray(content), dtype=torch.uint8)
        save_file({"packed": tensor}, path, {FORMAT: json.dumps({})})
        with pytest.raises(InputError, match=f"its weights are damaged .*{words}"):
            load_checkpoint(path)
    network = build(resolve("C2", {}, network_defaults), 10)
    state = learned_state(network)
    with pytest.raises(InputError, match="do not fit the network"):
        load_learned_state(network, {"w": torch.zeros(1)})
    with pytest.raises(InputError, match="has shape"):
        load_learned_state(network, {name: torch.zeros(1) for name in state})
