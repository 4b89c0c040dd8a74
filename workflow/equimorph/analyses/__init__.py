"""What a study asks of its trained networks beyond metrics: attacks, sweeps, maps, explanations."""
