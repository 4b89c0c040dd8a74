"""Pixel values, 0 to 255."""

import numpy as np


def mean_value(images: np.ndarray, block: int = 256) -> float:
    """Return the mean over all images, pixels and channels, exactly summed, block by block."""
    starts = range(0, len(images), block)
    return sum(int(images[s : s + block].sum(dtype=np.int64)) for s in starts) / images.size


def to_uint8(values: np.ndarray) -> np.ndarray:
    """Round to whole pixel values within 0 to 255."""
    return np.clip(np.rint(values), 0, 255).astype(np.uint8)
