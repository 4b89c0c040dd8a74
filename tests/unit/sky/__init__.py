"""Tests of equimorph/sky."""
