"""A real one-node Slurm cluster, for the test of profiles/slurm."""
