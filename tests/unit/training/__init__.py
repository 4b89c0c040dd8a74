"""Tests of equimorph/training."""
