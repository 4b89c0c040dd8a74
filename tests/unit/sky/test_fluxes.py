"""The surveys' stretch: against the same curve of astropy's, and back."""

import numpy as np
import pytest

from equimorph.errors import InputError
from equimorph.sky.fluxes import from_rgb, to_rgb


def fluxes(size=40, scale=1.0):
    """A galaxy with noise, nanomaggies per pixel in g, r, z."""
    axis = np.linspace(-1, 1, size)
    light = np.exp(-6 * np.hypot(axis[:, None], axis[None, :]))
    noise = np.random.default_rng(0).normal(0, 0.002, (3, size, size))
    return (scale * (light * np.array([0.1, 0.25, 0.4])[:, None, None] + noise)).astype(np.float32)


def test_it_is_the_curve_that_astropy_draws_with_the_surveys_parameters():
    visualization = pytest.importorskip("astropy.visualization")
    g, r, z = fluxes()
    expected = visualization.make_lupton_rgb(
        2.2 * z, 3.4 * r, 6.0 * g, minimum=-0.03, Q=4.6227, stretch=0.2311
    )
    found = to_rgb(fluxes()).astype(int)
    inside = (found < 250).all(axis=2)  # they saturate otherwise
    assert inside.mean() > 0.8
    assert np.abs(found - expected)[inside].mean() < 1


def test_an_empty_sky_has_the_pixel_value_32():
    assert (to_rgb(np.zeros((3, 4, 4))) == 32).all()


def test_the_same_surface_brightness_has_the_same_colour_at_every_scale():
    native = to_rgb(fluxes())
    assert np.array_equal(to_rgb(fluxes(scale=4.0), 2 * 0.262), native)
    assert not np.array_equal(to_rgb(fluxes(scale=4.0)), native)


def test_colours_lead_back_to_fluxes_within_their_rounding():
    light = fluxes()
    z, r, g = from_rgb(to_rgb(light))
    found = np.stack([g, r, z])
    inside = (to_rgb(light) < 250).all(axis=2)
    assert np.abs(found - light)[:, inside].max() < 0.01
    assert np.array_equal(from_rgb(to_rgb(light)[None])[:, 0], np.stack([z, r, g]))


@pytest.mark.parametrize(
    ("given", "scale", "message"),
    [
        (np.zeros((4, 3, 3)), 1, r"fluxes of shape \(4, 3, 3\): allowed is \(3, H, W\)"),
        (np.full((3, 2, 2), np.nan), 1, "12 of 12 fluxes are not finite"),
        (np.zeros((3, 2, 2)), 0, "pixel scale 0: allowed are numbers above 0"),
    ],
)
def test_anything_else_is_refused(given, scale, message):
    with pytest.raises(InputError, match=message):
        to_rgb(given, scale)
