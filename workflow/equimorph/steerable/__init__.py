"""Steerable convolutions in the basis of irreps; imports torch, escnn and `groups` alone."""
