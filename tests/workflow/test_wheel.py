"""The wheel, installed apart from everything: it brings the published classifiers and uses them."""

import os
import shutil
import subprocess
import sys

import pytest
from PIL import Image

from tests.conftest import ROOT
from tests.unit.classify.conftest import CLASSES, make_study


@pytest.mark.slow
def test_a_wheel_classifies_where_neither_escnn_nor_a_checkout_is(tmp_path):
    source = tmp_path / "source"
    for name in ("pyproject.toml", "setup.py", "README.md", "LICENSE"):
        source.mkdir(exist_ok=True)
        shutil.copy(ROOT / name, source)
    shutil.copytree(ROOT / "workflow/equimorph", source / "workflow/equimorph")
    study = make_study(source / "results/blobs")
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "-q"]
    build = ["wheel", "--no-deps", "--no-build-isolation", "-w", tmp_path / "wheel", source]
    subprocess.run([*pip, *build], check=True)
    (wheel,) = (tmp_path / "wheel").iterdir()
    place = tmp_path / "installed"
    subprocess.run([*pip, "install", "--no-deps", "--target", place, wheel], check=True)
    Image.fromarray(study.images[0]).save(tmp_path / "galaxy.png")
    code = (
        "import sys; sys.modules['escnn'] = None; from equimorph.app.cli import main;"
        "main(['predict', 'galaxy.png', '--certificate'])"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(place)},
        capture_output=True,
        text=True,
        check=True,
    )
    first, turned = done.stdout.splitlines()
    assert first.startswith("galaxy.png: ") and any(name in first for name in CLASSES)
    assert turned.endswith("by quarter turns 0.0%")
