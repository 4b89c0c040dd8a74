"""Tests of equimorph/lineage."""
