"""Tests of equimorph/tracking."""
