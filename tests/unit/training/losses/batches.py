"""Logits and labels."""

import torch

COUNTS = (200, 649, 1587)  # smallest, a middle and the largest class of the published training set
LABELS = torch.repeat_interleave(torch.arange(3), torch.tensor(COUNTS))


def batch(dtype=torch.float64, count=12, classes=3):
    draw = torch.Generator().manual_seed(0)
    logits = 3 * torch.randn(count, classes, generator=draw, dtype=torch.float64)
    return logits.to(dtype), torch.arange(count) % classes
