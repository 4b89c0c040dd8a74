"""Degraded test images: rotated, noisier, blurrier; seeded per image, one operation for all models.

Every image has its own random stream, made from the condition's seed and the image's index, so its
degraded form depends neither on the order nor on the company in which images are processed. All
arithmetic is in float; the result is rounded, not truncated, to whole pixel values.
"""

from collections.abc import Mapping
from functools import lru_cache
from typing import Any

import numpy as np
from scipy.ndimage import affine_transform

from equimorph.errors import InputError
from equimorph.study.conditions import check_spec

# Electrons per pixel value: sky level / sky variance of the Galaxy10 images (median of three
# channels of 20 lossless images; a quarter of them lies below 0.22, a quarter above 0.43).
GALAXY10_GAIN = 0.34


def degrade(
    images: np.ndarray, indices: np.ndarray, *, mean: float | None = None, **spec: Any
) -> np.ndarray:
    """Degrade images; see `check_spec` for what can be asked for.

    Args:
        images: (N, H, H, 3) uint8.
        indices: (N,) the images' rows in the data set, which seed their randomness.
        mean: mean pixel value of the whole test set, for the legacy noise of a part of it; by
            default that of `images`.
        **spec: kind and its settings.

    Returns:
        (N, H, H, 3) uint8.

    Raises:
        InputError: the settings or the arrays are not allowed.
    """
    check_spec(spec)
    if images.dtype != np.uint8 or images.ndim != 4 or images.shape[1] != images.shape[2]:
        raise InputError(
            f"images: {images.dtype} of shape {images.shape}; allowed is uint8 (N, H, H, 3)."
        )
    if len(images) != len(indices):
        raise InputError(f"{len(images)} images, {len(indices)} indices: allowed is one per image.")
    if spec.get("formula") == "legacy" and mean is None:
        mean = mean_value(images)
    result = np.empty(images.shape, np.uint8)
    for row, (image, index) in enumerate(zip(images, indices, strict=True)):
        rng = np.random.default_rng([spec.get("seed", 0), int(index)])
        result[row] = _degrade_one(image, rng, mean, spec)
    return result


def _degrade_one(
    image: np.ndarray, rng: np.random.Generator, mean: float | None, spec: Mapping[str, Any]
) -> np.ndarray:
    match spec["kind"]:
        case "rotation":
            return rotate(image, spec.get("angle", rng.uniform(0, 360)))
        case "noise" if spec["formula"] == "legacy":
            return add_legacy_noise(image, spec["level"], mean, rng)
        case "noise":
            return add_photon_noise(image, spec["level"], rng, spec.get("gain", GALAXY10_GAIN))
        case "resolution":
            return lose_resolution(image, spec["scale"])
    return image


def mean_value(images: np.ndarray, block: int = 256) -> float:
    """Return the mean over all images, pixels and channels, exactly summed, block by block."""
    starts = range(0, len(images), block)
    return sum(int(images[s : s + block].sum(dtype=np.int64)) for s in starts) / images.size


def rotate(image: np.ndarray, angle: float) -> np.ndarray:
    """Rotate an image about its exact centre, (H - 1) / 2.

    By cubic splines, which on 20 lossless Galaxy10 images lose half as much as bilinear
    interpolation (rms after a rotation by 33 degrees there and back: pixel values change by 2.2
    against 4.2) and keep the contrast (standard deviation times 0.993 against 0.969). The price is
    ringing: 1.8 % of the pixels leave the range of their 5x5 neighbourhood by more than 0.5, and
    0.13 % are clipped. Multiples of 90 degrees only move pixels.

    Inside the inscribed circle every pixel comes from the image. Outside it, what the frame does
    not cover is 0; every model masks these corners.

    Args:
        image: (H, H, 3) uint8.
        angle: in degrees, anticlockwise as displayed with row 0 on top, like `np.rot90`.

    Returns:
        (H, H, 3) uint8.
    """
    if angle % 90 == 0:
        return np.rot90(image, round(angle / 90))
    half = (len(image) - 1) / 2
    cosine, sine = np.cos(np.deg2rad(angle)), np.sin(np.deg2rad(angle))
    matrix = np.array([[cosine, sine], [-sine, cosine]])
    offset = half - matrix @ [half, half]
    # `mirror`, then zeros: a spline's own constant border would bleed into the circle.
    turned = np.stack(
        [
            affine_transform(channel.astype(np.float64), matrix, offset, order=3, mode="mirror")
            for channel in np.moveaxis(image, -1, 0)
        ],
        axis=-1,
    )
    axis = np.arange(len(image)) - half
    source = np.abs(np.stack([np.add.outer(a * axis, b * axis) for a, b in matrix]))
    turned[(source > half + 1e-6).any(axis=0)] = 0
    return _to_uint8(turned)


def add_photon_noise(
    image: np.ndarray,
    level: float,
    rng: np.random.Generator,
    gain: float = GALAXY10_GAIN,
) -> np.ndarray:
    """Lower an image's signal-to-noise ratio to s = 1 - level, as a shorter exposure would.

    At a gain of k electrons per pixel value, photon noise has a variance of I / k where the pixel
    value is I, sky included: the images keep a sky level, so the sky's noise is in it.
    Signal-to-noise goes with the root of the exposure time, so s means s^2 of the exposure and a
    variance of I / (k s^2). The difference is added as Poisson(K I) / K with
    K = k s^2 / (1 - s^2), whose mean is I: there is no brightness offset and nothing to clip at 0;
    only bright cores saturate at 255.

    Args:
        image: (H, W, 3) uint8.
        level: share of the signal-to-noise ratio that is lost, 0 ≤ level < 1.
        rng: this image's random stream.
        gain: k.

    Returns:
        (H, W, 3) uint8.
    """
    left = (1 - level) ** 2
    if left == 1:
        return image
    scale = gain * left / (1 - left)
    return _to_uint8(rng.poisson(scale * image.astype(np.float64)) / scale)


def add_legacy_noise(
    image: np.ndarray, level: float, mean: float, rng: np.random.Generator
) -> np.ndarray:
    """Add noise by the formula of arXiv:2311.01500's code, which mostly adds brightness.

    Poisson(λ) with λ = mean / s - mean and s = 1 - level is added to every pixel and channel and
    the sum clipped to 0 … 255; λ is not subtracted.

    Args:
        image: (H, W, 3) uint8.
        level: 1 - s, 0 ≤ level < 1.
        mean: mean pixel value of the whole test set.
        rng: this image's random stream.

    Returns:
        (H, W, 3) uint8.
    """
    signal = 1 - level
    noise = rng.poisson(mean / signal - mean, image.shape)
    return np.clip(image + noise, 0, 255).astype(np.uint8)


def lose_resolution(image: np.ndarray, scale: float) -> np.ndarray:
    """Shrink an image, antialiased, and enlarge it again, bilinear and symmetric to the centre.

    Args:
        image: (H, H, 3) uint8.
        scale: size in between as a share of H; it is round(scale * H), at least 1.

    Returns:
        (H, H, 3) uint8.
    """
    size = len(image)
    matrix = _resolution_matrix(size, max(1, round(scale * size)))
    rows = np.tensordot(matrix, image.astype(np.float64), axes=(1, 0))
    return _to_uint8(np.tensordot(rows, matrix, axes=(1, 1)).swapaxes(1, 2))


@lru_cache(maxsize=8)
def _resolution_matrix(size: int, between: int) -> np.ndarray:
    """Return the (size, size) matrix that resamples a line to `between` pixels and back."""
    return _triangle_matrix(between, size) @ _triangle_matrix(size, between)


def _triangle_matrix(n_in: int, n_out: int) -> np.ndarray:
    """Return (n_out, n_in) weights of linear interpolation, as wide as the coarser of the grids."""
    step = n_in / n_out
    centres = (np.arange(n_out) + 0.5) * step
    distance = np.abs(np.arange(n_in) + 0.5 - centres[:, None]) / max(step, 1)
    weights = np.maximum(1 - distance, 0)
    return weights / weights.sum(axis=1, keepdims=True)


def _to_uint8(values: np.ndarray) -> np.ndarray:
    return np.clip(np.rint(values), 0, 255).astype(np.uint8)
