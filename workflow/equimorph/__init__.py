"""Reproducible E(2)-equivariant galaxy-morphology classification."""

__version__ = "0.1.0"
