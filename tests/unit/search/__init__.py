"""Tests of equimorph/search."""
