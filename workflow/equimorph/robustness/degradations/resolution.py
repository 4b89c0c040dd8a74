"""Lower resolution at the same image size."""

from functools import lru_cache
from typing import Any

import numpy as np

from equimorph.robustness.degradations import Allowed, is_number
from equimorph.robustness.pixels import to_uint8

SETTINGS: dict[str, Allowed] = {
    "scale": (lambda v: is_number(v) and 0 < v <= 1, "a number above 0, up to 1"),
    "antialias": (lambda v: isinstance(v, bool), "true or false"),
}
NEEDED = ({"scale"},)
NEEDS_MEAN = False


def apply(
    image: np.ndarray,
    rng: np.random.Generator,
    mean: float | None,
    scale: float,
    antialias: bool = True,
) -> np.ndarray:
    """Keep the share `scale` of the resolution."""
    return lose_resolution(image, scale, antialias)


def describe(settings: dict[str, Any]) -> str:
    """Return what it does, in words."""
    smoothed = "" if settings.get("antialias", True) else " without smoothing"
    return (
        f"resolution lowered to {100 * settings['scale']:.0f} %{smoothed}, at the same image size"
    )


def lose_resolution(image: np.ndarray, scale: float, antialias: bool = True) -> np.ndarray:
    """Shrink an image and enlarge it again, bilinear and symmetric to the centre.

    Args:
        image: (H, H, 3) uint8.
        scale: size in between as a share of H; it is round(scale * H), at least 1.
        antialias: whether it is smoothed before; S1's, by OpenCV, is not.

    Returns:
        (H, H, 3) uint8.
    """
    size = len(image)
    matrix = _resolution_matrix(size, max(1, round(scale * size)), antialias)
    rows = np.tensordot(matrix, image.astype(np.float64), axes=(1, 0))
    return to_uint8(np.tensordot(rows, matrix, axes=(1, 1)).swapaxes(1, 2))


@lru_cache(maxsize=8)
def _resolution_matrix(size: int, between: int, antialias: bool) -> np.ndarray:
    """Return the (size, size) matrix that resamples a line to `between` pixels and back."""
    return _triangle_matrix(between, size) @ _triangle_matrix(size, between, antialias)


def _triangle_matrix(n_in: int, n_out: int, antialias: bool = True) -> np.ndarray:
    """Return (n_out, n_in) weights of linear interpolation.

    They are as wide as the coarser of the grids, or as the old one without `antialias`.
    """
    step = n_in / n_out
    centres = (np.arange(n_out) + 0.5) * step
    width = max(step, 1) if antialias else 1
    distance = np.abs(np.arange(n_in) + 0.5 - centres[:, None]) / width
    weights = np.maximum(1 - distance, 0)
    return weights / weights.sum(axis=1, keepdims=True)
