"""The conda environments pin what requirements.lock pins; the lock names no index."""

import re

import pytest
import yaml


def lock(root):
    """Versions by package; those of Python 3.11 where they differ."""
    versions = {}
    for line in (root / "requirements.lock").read_text().splitlines():
        requirement, _, marker = line.partition(";")
        name, version = requirement.strip().split("==")
        if ">= '3.12'" not in marker:
            versions[name.lower()] = version
    return versions


@pytest.mark.parametrize("name", ["driver", "compute", "report", "search"])
def test_pins_are_those_of_the_lock(root, name):
    environment = yaml.safe_load((root / f"envs/{name}.yaml").read_text())
    (pip,) = [entry["pip"] for entry in environment["dependencies"] if isinstance(entry, dict)]
    versions = lock(root)
    for requirement in pip:
        package, version = requirement.split("==")
        assert versions[package.lower()] == version, package


@pytest.mark.parametrize(
    "file", ["envs/compute.post-deploy.sh", "envs/search.post-deploy.sh", "pyproject.toml"]
)
def test_escnn_is_pinned_alike_everywhere(root, file):
    assert f"escnn=={lock(root)['escnn']}" in (root / file).read_text()


def test_the_lock_is_complete_and_names_no_index(root):
    text = (root / "requirements.lock").read_text()
    assert "://" not in text and "--" not in text
    assert all(re.match(r"[A-Za-z0-9_.-]+==\S+", line) for line in text.splitlines())
    versions = lock(root)
    assert "torch" in versions and "lie-learn" not in versions and "py3nj" not in versions


def test_the_environment_is_that_of_training_and_optuna(root):
    def pins(name):
        environment = yaml.safe_load((root / f"envs/{name}.yaml").read_text())
        (pip,) = [e["pip"] for e in environment["dependencies"] if isinstance(e, dict)]
        return set(pip)

    (optuna_pin,) = pins("search") - pins("compute")
    assert pins("compute") < pins("search")
    assert optuna_pin in (root / "requirements.lock").read_text().splitlines()
    scripts = [(root / f"envs/{name}.post-deploy.sh").read_text() for name in ("search", "compute")]
    assert scripts[0] == scripts[1]
