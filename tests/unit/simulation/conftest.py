"""Simulated galaxies that several tests look at."""

import pytest

from equimorph.simulation.simulate import simulate
from tests.unit.simulation.shapes import PER_CLASS


@pytest.fixture(scope="session")
def galaxies():
    return simulate(PER_CLASS, size=65, seed=1)
