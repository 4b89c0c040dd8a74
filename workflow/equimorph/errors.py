"""Exceptions whose messages are written for the user."""


class InputError(ValueError):
    """Bad input: the message names the file or key and what is allowed."""


class TrainingError(RuntimeError):
    """Training cannot go on: the message names the epoch and the learning rate."""
