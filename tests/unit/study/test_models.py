"""Models by name."""

import pytest

from equimorph.errors import InputError
from equimorph.study.models import resolve


def test_unknown_models_and_architectures_are_named(network_defaults):
    with pytest.raises(InputError, match="model 'foo': allowed are a group's name"):
        resolve("foo", {}, network_defaults)
    with pytest.raises(InputError, match="allowed are gcnn, cnn"):
        resolve("X", {"X": {"architecture": "mlp"}}, network_defaults)


def test_what_is_as_ever_is_left_unsaid(network_defaults):
    """So that checkpoints of before there were these keys are those of the same models."""
    before = resolve("D4", {}, network_defaults)
    said = {**network_defaults, "normalise": "auto", "antialias": True}
    assert resolve("D4", {}, said) == before
    assert not {"normalise", "antialias"} & set(before)
    published = resolve("D4", {}, {**said, "normalise": "unit", "antialias": False})
    assert published == {**before, "normalise": "unit", "antialias": False}
    probe = {"architecture": "backbone", "backbone": "vgg16", "update_norms": False}
    assert "update_norms" not in resolve("P", {"P": probe}, said)
    assert resolve("P", {"P": {**probe, "update_norms": True}}, said)["update_norms"]
