"""Models by name."""

import pytest

from equimorph.errors import InputError
from equimorph.study.models import resolve


def test_unknown_models_and_architectures_are_named(network_defaults):
    with pytest.raises(InputError, match="model 'foo': allowed are a group's name"):
        resolve("foo", {}, network_defaults)
    with pytest.raises(InputError, match="allowed are gcnn, cnn"):
        resolve("X", {"X": {"architecture": "mlp"}}, network_defaults)
