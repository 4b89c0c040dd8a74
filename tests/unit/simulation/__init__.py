"""Tests of equimorph/simulation."""
