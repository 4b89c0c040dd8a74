"""Tests of equimorph/data."""
