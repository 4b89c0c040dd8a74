"""Pixel values, 0 to 255."""

import numpy as np

_BLOCK = 256  # images summed at a time


def mean_value(images: np.ndarray) -> float:
    """Return the mean over all images, pixels and channels, exactly summed, block by block."""
    starts = range(0, len(images), _BLOCK)
    return sum(int(images[s : s + _BLOCK].sum(dtype=np.int64)) for s in starts) / images.size


def to_uint8(values: np.ndarray) -> np.ndarray:
    """Round to whole pixel values within 0 to 255."""
    return np.clip(np.rint(values), 0, 255).astype(np.uint8)
