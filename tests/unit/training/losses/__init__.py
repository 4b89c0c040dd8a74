"""Tests of equimorph/training/losses."""
