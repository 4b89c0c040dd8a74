"""Predictions, metrics and their uncertainties."""
