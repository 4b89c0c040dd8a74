"""Independent random streams from one seed."""

import numpy as np
import torch

WEIGHTS, BATCHES, LAYERS, LABELS = range(4)  # LAYERS: dropout


def stream(seed: int, purpose: int) -> torch.Generator:
    """Return a generator for one purpose, independent of the same seed's other purposes."""
    state = np.random.SeedSequence([seed, purpose]).generate_state(1, np.uint64)[0]
    return torch.Generator().manual_seed(int(state))
