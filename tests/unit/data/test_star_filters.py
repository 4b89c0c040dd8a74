"""Star filters by name: each takes an image, its scale and its random stream."""

import numpy as np

from equimorph.data.brightest import remove_brightest
from equimorph.data.star_filters import FILTERS, SEEING
from equimorph.data.stars import remove_stars
from equimorph.simulation.simulate import simulate


def test_each_name_is_the_filter_that_it_says():
    image = simulate(1, 128, seed=2).images[5]
    by_name = {
        name: apply(image, 0.524, np.random.default_rng(4)) for name, apply in FILTERS.items()
    }
    expected = {
        SEEING: remove_stars(image, 0.524, np.random.default_rng(4)),
        "brightest": remove_brightest(image),
    }
    assert by_name.keys() == expected.keys()
    assert all(np.array_equal(by_name[name], expected[name]) for name in FILTERS)
    assert not np.array_equal(by_name[SEEING], by_name["brightest"])
