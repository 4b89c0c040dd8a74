"""Field types have as many channels as their fields have components."""

import pytest

from equimorph.groups.escnn import gspaces
from equimorph.models.fields import regular_fields, trivial_fields


@pytest.mark.parametrize(
    ("space", "order"),
    [(gspaces.rot2dOnR2(4), 4), (gspaces.flipRot2dOnR2(4), 8), (gspaces.trivialOnR2(), 1)],
    ids=["C4", "D4", "C1"],
)
def test_channels(space, order):
    image, features = trivial_fields(space, 3), regular_fields(space, 5)
    assert (image.size, len(image)) == (3, 3)
    assert (features.size, len(features)) == (5 * order, 5)
    assert all(field.is_trivial() for field in image.representations)
    assert {field.size for field in features.representations} == {order}
