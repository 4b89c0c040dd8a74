"""Tests of equimorph/models."""
