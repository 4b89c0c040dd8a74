"""Tests of equimorph/robustness."""
