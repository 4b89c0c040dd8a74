"""Tests of equimorph/groups."""
