"""Tests of equimorph/report/figures."""
