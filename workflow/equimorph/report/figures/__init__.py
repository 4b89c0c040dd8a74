"""Figures of the report, one function each."""
