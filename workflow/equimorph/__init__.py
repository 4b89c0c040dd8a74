"""Reproducible E(2)-equivariant galaxy-morphology classification."""

from importlib import import_module
from pathlib import Path
from typing import Any

__version__ = "0.1.0"


def load(name_or_path: str | Path | None = None) -> Any:
    """Load a classifier, which labels galaxies: see `equimorph.classify.classifier.load`."""
    # By name: an import statement would make every job of every study depend on the classifier.
    return import_module("equimorph.classify.classifier").load(name_or_path)
