"""Degraded test images, seeded per image; the same images for all models.

Every image has its own random stream, made from the degradation's seed, the image's index and,
where several degradations follow one another, the number of this one. So its degraded form does not
depend on the other images or on their order, and no degradation on the draws of another. All
arithmetic is in float; the result is rounded, not truncated, to whole pixel values.
"""

from typing import Any

import numpy as np

from equimorph.errors import InputError
from equimorph.robustness.degradations import find
from equimorph.robustness.pixels import mean_value


def degrade(
    images: np.ndarray,
    indices: np.ndarray,
    kind: str,
    mean: float | None = None,
    step: int = 0,
    **settings: Any,
) -> np.ndarray:
    """Degrade images.

    Args:
        images: (N, H, H, 3) uint8.
        indices: (N,) the images' rows in the data set, which seed their randomness.
        kind: a module of `degradations`, or `none`.
        mean: mean pixel value of the whole test set, where `needs_mean(kind)` and `images` are a
            part of it; by default that of `images`.
        step: how many degradations the images have gone through before this one.
        **settings: the condition's other keys, as `study.conditions.check_spec` allows them.

    Returns:
        (N, H, H, 3) uint8.

    Raises:
        InputError: the arrays are not allowed.
    """
    if images.dtype != np.uint8 or images.ndim != 4 or images.shape[1] != images.shape[2]:
        raise InputError(
            f"images: {images.dtype} of shape {images.shape}; allowed is uint8 (N, H, H, 3)."
        )
    if len(images) != len(indices):
        raise InputError(f"{len(images)} images, {len(indices)} indices: allowed is one per image.")
    if kind == "none":
        return images.copy()
    if mean is None and needs_mean(kind):
        mean = mean_value(images)
    apply, seed = find(kind).apply, settings.pop("seed", 0)
    result = np.empty(images.shape, np.uint8)
    for row, (image, index) in enumerate(zip(images, indices, strict=True)):
        # A step of 0 would not change the stream: conditions of one degradation have no more.
        rng = np.random.default_rng([seed, int(index), step] if step else [seed, int(index)])
        result[row] = apply(image, rng, mean, **settings)
    return result


def needs_mean(kind: str) -> bool:
    """Return whether a kind of degradation needs the mean pixel value of the whole test set."""
    return kind != "none" and find(kind).NEEDS_MEAN
