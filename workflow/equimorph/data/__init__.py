"""Galaxy images: from a source to a verified, split, memory-mapped set."""
