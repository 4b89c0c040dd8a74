"""Simulated galaxies of ten classes, from light profiles to images."""
