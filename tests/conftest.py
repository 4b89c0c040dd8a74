"""What the tests share: paths, the default config, the real sample, a network's specification."""

import copy
import os
from pathlib import Path

import pytest
import yaml

# Tests run side by side, one per core, and small tensors are slower on two threads. Before torch
# is loaded, and for the processes that tests start.
os.environ["OMP_NUM_THREADS"] = "1"

ROOT = Path(__file__).resolve().parents[1]
# Kernel bases are kept from one run of the tests to the next, apart from the user's.
os.environ.setdefault("EQUIMORPH_CACHE", str(ROOT / ".pytest_cache"))


@pytest.fixture(scope="session")
def root() -> Path:
    """The repository."""
    return ROOT


@pytest.fixture(scope="session")
def schema(root) -> dict:
    """The schema of every config."""
    return yaml.safe_load((root / "workflow/schemas/config.schema.yaml").read_text())


@pytest.fixture(scope="session")
def default_config(root) -> dict:
    """The default study's config, not to be changed."""
    return yaml.safe_load((root / "config.yaml").read_text())


@pytest.fixture
def config(default_config) -> dict:
    """The default study's config, to be changed."""
    return copy.deepcopy(default_config)


@pytest.fixture(scope="session")
def real_sample() -> Path:
    """The folder of real Galaxy10 images; its place comes from the environment."""
    place = os.environ.get("EQUIMORPH_REAL_DATA")
    if not place:
        pytest.skip("EQUIMORPH_REAL_DATA is unset: no real galaxies to test on")
    return Path(place)


@pytest.fixture
def network_defaults() -> dict:
    """A small trunk with S1's depth, 65 px."""
    # Not above: tests.jobs loads the training script, which few tests need.
    from tests.jobs import TRUNK

    return {
        **TRUNK,
        "input_size": 65,
        "fields": [2, 4, 4, 4, 4, 4, 6, 6, 6, 6, 8],
        "pool_after": [2, 4, 7, 9, 11],
    }
