"""Tests of equimorph/study."""
