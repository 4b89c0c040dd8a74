"""The plain CNN: it knows no symmetry."""

import pytest

from tests.unit.networks import largest_change, prepared


@pytest.mark.parametrize("trained", [False, True], ids=["random", "trained"])
def test_the_plain_network_changes(trained, network_defaults):
    network, images = prepared("CNN", network_defaults, trained)
    assert largest_change(network, images, images.rot90(1, (2, 3))) > 1e-2
    assert largest_change(network, images, images.flip(3)) > 1e-2
