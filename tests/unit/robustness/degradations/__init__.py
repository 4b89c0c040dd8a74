"""Tests of equimorph/robustness/degradations."""
