"""Classification of galaxies with a trained network, for those who did not train it."""
