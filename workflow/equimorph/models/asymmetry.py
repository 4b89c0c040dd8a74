"""The asymmetry index of galaxies under a rotation by 180 degrees (Conselice 1997, rms form).

It is measured on whole images, once, before anything else is done to them: on augmented ones it is
another number (on 125 real galaxies, augmented as S2 does, 0.64 instead of 0.47, correlation 0.60).
"""

from collections.abc import Callable

import numpy as np
import torch

from equimorph.errors import InputError
from equimorph.models.head import circular_mask

# The rim, whose pixels show the sky, as the share of the side that lies outside its inner edge.
RIM_MARGIN = 0.08
# Sky noise is measured on the smallest squared differences, so that a neighbour in the rim does not
# count; of a Gaussian this share of them has this share of the variance.
KEPT, KEPT_VARIANCE = 0.75, 0.36852
BLOCK = 64  # images in memory as floats at a time


def asymmetry(images: np.ndarray) -> torch.Tensor:
    """Return the (N, 1) asymmetry of (N, W, W, 3) uint8 images, which may be memory-mapped."""
    return _in_blocks(asymmetry_index, images)


def published_asymmetry(images: np.ndarray) -> torch.Tensor:
    """Return the (N, 1) asymmetry of (N, W, W, 3) uint8 images as S2 computes it."""
    return _in_blocks(published_index, images)


# The function for each value of the networks' argument `asymmetry`.
MEASURES: dict[bool | str, Callable[[np.ndarray], torch.Tensor] | None] = {
    False: None,
    True: asymmetry,
    "published": published_asymmetry,
}


def checked(indices: torch.Tensor | None) -> torch.Tensor:
    """Return the indices that a network was given.

    Raises:
        InputError: it was given none.
    """
    if indices is None:
        raise InputError(
            "this network takes the images and their asymmetry, network(images, asymmetry); the "
            "latter is network.measure(whole images, (N, W, W, 3) uint8)."
        )
    return indices


def asymmetry_index(images: torch.Tensor, background: bool = True) -> torch.Tensor:
    """Return the asymmetry A, with A^2 = sum (I - R)^2 / (2 sum I^2) in each channel.

    R is I rotated by 180 degrees about (size - 1) / 2. That is an exact reversal of both axes, so
    rotations by 90 degrees and reflections of the image leave the index as it is. The sums run over
    the disc that the networks see. The index lies between 0 and sqrt(2); an image without light has
    index 0.

    With the background term, I is counted from the sky level, and what the sky's noise adds to the
    sum of squared differences is subtracted. Both come from the rim of the disc, which in a cut-out
    around a galaxy is mostly sky; the corners would do as well, but rotated images have none.
    Without it, the index of a Galaxy10 image says more about its sky (pixel values of about 32) and
    its noise than about the galaxy. Light beyond the sky's own noise, such as photon noise of the
    galaxy, is not corrected for, nor is the centre searched for: cut-outs are centred.

    Args:
        images: (B, C, size, size) pixel values, of any type.
        background: whether to subtract sky level and sky noise.

    Returns:
        (B,) float32, averaged over the channels.
    """
    size = images.shape[-1]
    mask = circular_mask(size)
    light = images.to(mask.dtype)
    difference = light - light.flip((2, 3))
    noise: float | torch.Tensor = 0.0
    if background:
        rim = (mask == 1) & (circular_mask(size, RIM_MARGIN) == 0)
        light = light - _level(light[..., rim])[..., None, None]
        noise = _total(_variance(difference[..., rim])[..., None, None], mask)
    asymmetric = (_total(difference.square(), mask) - noise).clamp_min(0) / 2
    # A difference of 1 in one pixel is less than any galaxy has.
    index = (asymmetric / _total(light.square(), mask).clamp_min(1)).sqrt()
    return index.mean(dim=1).to(mask.dtype)


def published_index(images: torch.Tensor) -> torch.Tensor:
    """Return S2's index of (B, C, size, size) uint8 images, (B,) float32.

    Differences and squares wrap around modulo 256, the whole square counts, and the image is
    rotated about size // 2: in even sizes a pixel beside the centre, reflected at its edge.
    """
    size = images.shape[-1]
    rotated = (2 * (size // 2) - torch.arange(size)).clamp_max(size - 1)
    difference = images - images[:, :, rotated][..., rotated]
    asymmetric, light = (
        (each * each).sum(dim=(2, 3), dtype=torch.float64) for each in (difference, images)
    )
    return (asymmetric / 2 / light.clamp_min(1)).sqrt().mean(dim=1).float()


def _in_blocks(index: Callable[[torch.Tensor], torch.Tensor], images: np.ndarray) -> torch.Tensor:
    result = torch.empty(len(images), 1)
    for start in range(0, len(images), BLOCK):
        # A copy: memory-mapped images are read-only, which torch warns about.
        block = torch.from_numpy(np.array(images[start : start + BLOCK])).permute(0, 3, 1, 2)
        result[start : start + BLOCK, 0] = index(block)
    return result


def _total(maps: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
    """Sum over the disc in double precision, since the index is the root of a small difference."""
    return (maps * mask).sum(dim=(2, 3), dtype=torch.float64)


def _level(values: torch.Tensor) -> torch.Tensor:
    """Mean of the middle half of the last axis: robust, and finer than whole numbers."""
    quarter = values.shape[-1] // 4
    middle = values.sort(dim=-1).values[..., quarter : values.shape[-1] - quarter]
    return middle.double().mean(dim=-1).to(values.dtype)


def _variance(differences: torch.Tensor) -> torch.Tensor:
    """Variance along the last axis of Gaussian differences with outliers; their mean is 0."""
    squares = differences.square().sort(dim=-1).values
    kept = squares[..., : int(KEPT * squares.shape[-1])]
    return (kept.double().mean(dim=-1) / KEPT_VARIANCE).to(differences.dtype)
