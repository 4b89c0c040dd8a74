"""Tests of equimorph/models/architectures."""
