"""Tests of equimorph/steerable."""
