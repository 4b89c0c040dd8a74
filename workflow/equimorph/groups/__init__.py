"""Symmetry groups and the guarded import of escnn."""
