"""How images were prepared: their common scale, and the field that they show."""

import numpy as np
import pytest

from equimorph.models.preparation import Preparation, common_scale


@pytest.mark.parametrize(
    ("scales", "expected"),
    [
        ([0.262] * 3, 0.262),
        ([0.262, 0.2621, 0.2619], 0.262),
        ([0.262, 0.396, 0.262], None),
        ([0.262, np.nan, 0.262], None),
        ([np.nan], None),
    ],
)
def test_a_scale_that_is_not_that_of_all_is_unknown(scales, expected):
    assert common_scale(np.array(scales)) == expected


def test_the_field_is_side_times_scale():
    assert Preparation(256, 0.25, None, 1.0, 65).field == 64.0
    assert Preparation(256, None, None, 1.0, 65).field is None
