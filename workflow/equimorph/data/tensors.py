"""From the memory-mapped images to tensors of a network's input size."""

import numpy as np
import torch
from torch.nn.functional import interpolate


def network_input(
    images: np.ndarray, size: int, crop: float = 1.0, antialias: bool = True, block: int = 256
) -> torch.Tensor:
    """Return the central part of images as a (N, 3, size, size) uint8 tensor.

    The resampling is symmetric about the centre, so it commutes with rotations by 90 degrees and
    with reflections up to rounding.

    Args:
        images: (N, W, W, 3) uint8, may be memory-mapped.
        size: side of the result in px.
        crop: side of the central part as a fraction of the image's side.
        antialias: whether images are smoothed where they shrink; S1's are not.
        block: images in memory as floats at a time.
    """
    side = images.shape[1]
    # An even margin on both sides keeps the centre where it is.
    margin = round(side * (1 - crop) / 2)
    inside = slice(margin, side - margin)
    result = torch.empty(len(images), 3, size, size, dtype=torch.uint8)
    for start in range(0, len(images), block):
        # A copy: memory-mapped images are read-only, which torch warns about.
        taken = torch.from_numpy(np.array(images[start : start + block, inside, inside]))
        taken = taken.permute(0, 3, 1, 2)
        if taken.shape[-1] != size:
            taken = interpolate(
                taken.float(), (size, size), mode="bilinear", antialias=antialias
            ).round_()
        result[start : start + block] = taken.to(torch.uint8)
    return result
