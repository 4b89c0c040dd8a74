"""Degraded test sets."""
