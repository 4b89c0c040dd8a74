"""The picture of a field: its stretch, its fluxes, and light that is kept."""

import numpy as np
import pytest

from equimorph.simulation.exposure import Exposure, band_flux, power_law, stretch


def test_stretch_meets_the_published_formula():
    empty = stretch(np.zeros((3, 1, 1), dtype=np.float32)).ravel() * 255
    assert np.allclose(empty, 255 * np.arcsinh(20 * 0.03) / np.sqrt(20), atol=0.01)
    assert stretch(np.full((3, 1, 1), 10, dtype=np.float32)).max() == 1


def test_fluxes_are_nanomaggies():
    """A source of magnitude 22.5 has one; a colour is the difference of two magnitudes."""
    z, r, g = band_flux(22.5, 0.5, 0.25)
    assert r == 1
    assert -2.5 * np.log10(g / r) == pytest.approx(0.5)
    assert -2.5 * np.log10(r / z) == pytest.approx(0.25)


def test_a_component_has_the_light_of_its_magnitude():
    sky = Exposure(65, np.random.default_rng(0))
    sky.add(np.hypot(sky.grid.x, sky.grid.y) < 3, mag=20.0, g_r=0.6)
    native = (sky.grid.step / 0.262) ** 2  # light is per pixel of 0.262 arcsec
    assert sky.light[1].sum() * native == pytest.approx(10.0, rel=1e-5)
    assert -2.5 * np.log10(sky.light[2].sum() / sky.light[1].sum()) == pytest.approx(0.6, abs=1e-4)


def test_counts_grow_with_the_slope():
    drawn = power_law(np.random.default_rng(0), 18.0, 22.0, 0.4, 100_000)
    assert drawn.min() >= 18 and drawn.max() <= 22
    bright, faint = ((drawn > low) & (drawn < low + 1) for low in (18, 21))
    assert np.log10(faint.sum() / bright.sum()) == pytest.approx(3 * 0.4, abs=0.05)
