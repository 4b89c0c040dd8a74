"""One module per architecture: a network, and `build`, which makes it from a specification."""
