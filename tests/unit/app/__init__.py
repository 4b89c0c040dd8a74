"""Tests of equimorph/app."""
