"""Tests of equimorph/classify."""
