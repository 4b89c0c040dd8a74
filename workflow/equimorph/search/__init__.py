"""Search for a better recipe: ranges, trials, the study in its database, and the outcome."""
