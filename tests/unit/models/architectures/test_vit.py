"""Tests of S4's vision transformer."""

import pytest
import torch
from torch import nn

from equimorph.errors import InputError
from equimorph.models.architectures.vit import VisionTransformer, _Attention
from equimorph.models.counting import count_parameters
from tests.unit.networks import random_images, spoil

SMALL = {"patch": 13, "dim": 32, "heads": 4, "mlp": 48, "layers": 2, "dropout": 0.1}


def initialised(seed, **arguments):
    network = VisionTransformer(**{**SMALL, **arguments}, input_size=65, classes=10)
    network.initialise(torch.Generator().manual_seed(seed))
    return network


def test_published_parameters():
    network = VisionTransformer(25, 256, 8, 1024, 6, 0.1, 200, 10)
    assert count_parameters(network) == 5_238_538
    assert network.positions.shape == (64, 256)


def test_logits_of_a_small_one():
    network = VisionTransformer(**SMALL, input_size=65, classes=7)
    assert network(random_images(65)).shape == (2, 7)


def test_other_patches_are_refused_with_those_that_work():
    with pytest.raises(InputError, match="patch 25: must divide input_size 65; .* 1, 5, 13, 65"):
        initialised(0, patch=25)
    with pytest.raises(InputError, match="heads 5: must divide dim 32; .* 1, 2, 4, 8, 16, 32"):
        initialised(0, heads=5)


def test_weights_follow_the_generator_alone():
    network = VisionTransformer(**SMALL, input_size=65, classes=10)
    spoil(network)
    before = torch.get_rng_state()
    network.initialise(torch.Generator().manual_seed(1))
    assert torch.equal(torch.get_rng_state(), before)
    state = network.state_dict()
    again, other = initialised(1).state_dict(), initialised(2).state_dict()
    assert all(torch.equal(state[name], again[name]) for name in state)
    for name in ("class_token", "positions", "embedding.weight", "classifier.weight"):
        assert not torch.equal(state[name], other[name])
    tokens = torch.cat([state["positions"].flatten(), state["class_token"]])
    assert tokens.mean().item() == pytest.approx(0, abs=0.1)
    assert tokens.std().item() == pytest.approx(1, rel=0.1)


def test_attention_is_torchs():
    ours = _Attention(32, 4, dropout=0.3)
    theirs = nn.MultiheadAttention(32, 4, dropout=0.3, batch_first=True)
    theirs.load_state_dict(
        {
            "in_proj_weight": ours.queries_keys_values.weight,
            "in_proj_bias": ours.queries_keys_values.bias,
            "out_proj.weight": ours.output.weight,
            "out_proj.bias": ours.output.bias,
        }
    )
    tokens = torch.randn(2, 5, 32, generator=torch.Generator().manual_seed(0))
    for training in (False, True):
        results = []
        for attention in (ours, lambda x: theirs(x, x, x)[0]):
            ours.train(training)
            theirs.train(training)
            torch.manual_seed(1)  # the same weights are dropped
            results.append(attention(tokens))
        torch.testing.assert_close(*results)


def test_dropout_acts_on_attention_weights_and_in_the_feed_forward_part_alone():
    network = initialised(0, dropout=0.5).train()
    dropped = {}

    def note(name):
        return lambda module, inputs, output: dropped.update({name: tuple(output.shape)})

    for name, module in network.named_modules():
        if isinstance(module, nn.Dropout):
            assert module.p == 0.5
            module.register_forward_hook(note(name))
    network(random_images(65))
    for layer in range(2):
        path = f"encoder.{layer}"
        assert dropped.pop(f"{path}.attention.1.dropout") == (2, 4, 26, 26)  # heads, 25 + 1 tokens
        assert dropped.pop(f"{path}.feed_forward.3") == (2, 26, 48)
        assert dropped.pop(f"{path}.feed_forward.5") == (2, 26, 32)
    assert not dropped


def test_a_layer_is_torchs_pre_norm_layer():
    layer = initialised(0).encoder[0].eval()
    theirs = nn.TransformerEncoderLayer(
        32, 4, 48, activation="gelu", batch_first=True, norm_first=True
    ).eval()
    names = {
        "self_attn.in_proj_": "attention.1.queries_keys_values.",
        "self_attn.out_proj.": "attention.1.output.",
        "linear1.": "feed_forward.1.",
        "linear2.": "feed_forward.4.",
        "norm1.": "attention.0.",
        "norm2.": "feed_forward.0.",
    }
    state = layer.state_dict()
    theirs.load_state_dict(
        {
            their + end: state[own + end]
            for their, own in names.items()
            for end in ("weight", "bias")
        }
    )
    tokens = torch.randn(2, 5, 32, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        torch.testing.assert_close(layer(tokens), theirs(tokens))


def test_positions_tell_patches_apart():
    """Without them the class token sees a set: exchanged patches change nothing."""
    network = initialised(0).eval()
    network.mask.disc.fill_(1)
    picture = random_images(65)
    moved = picture.roll(13, 3)  # by one patch
    with torch.no_grad():
        assert (network(picture) - network(moved)).abs().max() > 1e-4
        network.positions.zero_()
        torch.testing.assert_close(network(picture), network(moved))


def test_everything_learns():
    network = initialised(0).train()
    network(random_images(65, 4)).square().sum().backward()
    for name, parameter in network.named_parameters():
        assert parameter.grad.isfinite().all() and parameter.grad.any(), name


def test_every_dense_layer_is_called_in_evaluation():
    """What is not called is not counted: torch's own encoder layer passes its modules by."""
    network = initialised(0).eval()
    dense = [module for module in network.modules() if isinstance(module, nn.Linear)]
    called = []
    for module in dense:
        module.register_forward_hook(lambda module, _inputs, _output: called.append(module))
    with torch.no_grad():
        network(random_images(65))
    assert len(called) == len(dense) == 2 * 4 + 2 and set(called) == set(dense)
