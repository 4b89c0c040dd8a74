"""Where a result comes from: the jobs back to the raw file, their commits and digests."""
