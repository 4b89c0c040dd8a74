"""Tests of equimorph/evaluation."""
