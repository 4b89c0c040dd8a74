"""Tests of equimorph/report."""
