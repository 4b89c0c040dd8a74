"""Images of the sky: the Legacy Surveys' cut-outs, by position or name."""
