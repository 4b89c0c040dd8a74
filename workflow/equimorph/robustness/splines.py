"""Rotation of images by cubic splines."""

import math

import numpy as np


def rotate_planes(planes: np.ndarray, angle_degrees: float) -> np.ndarray:
    """Rotate square planes about their exact centre, (H - 1) / 2.

    What the frame does not cover is mirrored at its edge: a spline's constant border would bleed
    into the inscribed circle, where every pixel comes from the plane itself.

    Args:
        planes: (N, H, H) floats.
        angle_degrees: anticlockwise as displayed with row 0 on top, like `np.rot90`.

    Returns:
        (N, H, H) of the same type; splines ring, so values may leave the range of the input.
    """
    # Not above: the workflow reads of every degradation what a config may say of it.
    from scipy.ndimage import affine_transform

    matrix = _matrix(angle_degrees)
    half = (planes.shape[-1] - 1) / 2
    offset = half - matrix @ [half, half]
    return np.stack(
        [affine_transform(plane, matrix, offset, order=3, mode="mirror") for plane in planes]
    )


def uncovered(size: int, angle_degrees: float) -> np.ndarray:
    """Return where a rotated frame does not cover the plane, booleans (size, size)."""
    half = (size - 1) / 2
    axis = np.arange(size) - half
    source = [np.abs(np.add.outer(a * axis, b * axis)) for a, b in _matrix(angle_degrees)]
    return np.max(source, axis=0) > half + 1e-6


def _matrix(angle_degrees: float) -> np.ndarray:
    """Return what takes a pixel of the result, (row, column) from the centre, to its source."""
    angle = math.radians(angle_degrees)
    return np.array([[math.cos(angle), math.sin(angle)], [-math.sin(angle), math.cos(angle)]])
