"""Contact sheets: labelled rows of small images."""

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray
from PIL import Image

from equimorph.report.figures.style import styled

_GAP = 3  # white pixels between images
_DPI = 100
_LETTER = 7  # mean width of a letter at 9 points and this resolution, in pixels


def spread(rows: NDArray, count: int) -> NDArray:
    """Return `count` entries of `rows`, evenly spaced (all of them if there are fewer)."""
    if len(rows) <= count:
        return np.asarray(rows)
    return np.asarray(rows)[np.linspace(0, len(rows) - 1, count).round().astype(int)]


def central(image: NDArray, size: int) -> NDArray:
    """Return the central `size` x `size` pixels, or the whole image where it is not larger."""
    top = max((image.shape[0] - size) // 2, 0)
    left = max((image.shape[1] - size) // 2, 0)
    return image[top : top + size, left : left + size]


def mosaic(images: list[list[NDArray]], cell: int) -> NDArray[np.uint8]:
    """Lay rows of images out on white, each resized to `cell` pixels.

    Args:
        images: rows of uint8 images of shape (H, W, 3); rows may differ in length.
        cell: edge length of each image in the mosaic, in pixels.

    Returns:
        uint8 of shape (rows * (cell + gap) - gap, columns * (cell + gap) - gap, 3).
    """
    step = cell + _GAP
    height = len(images) * step - _GAP
    width = max(len(row) for row in images) * step - _GAP
    canvas = np.full((height, width, 3), 255, dtype=np.uint8)
    for r, row in enumerate(images):
        for c, pixels in enumerate(row):
            small = Image.fromarray(np.ascontiguousarray(pixels)).resize(
                (cell, cell), Image.Resampling.LANCZOS
            )
            canvas[r * step : r * step + cell, c * step : c * step + cell] = np.asarray(small)
    return canvas


def contact_sheet(
    images: list[list[NDArray]],
    row_labels: list[str],
    column_labels: list[str] | None = None,
    cell: int = 65,
) -> Figure:
    """Draw a mosaic at one screen pixel per image pixel, with names beside its rows.

    Args:
        images: rows of uint8 images of shape (H, W, 3).
        row_labels: one name per row.
        column_labels: one name per column, written slanted above the mosaic.
        cell: edge length of each image on the sheet, in pixels.
    """
    canvas = mosaic(images, cell)
    height, width = canvas.shape[:2]
    left = 20 + _LETTER * max(map(len, row_labels))
    # Column labels lean by 40 degrees: cos 40 = 0.77 to the right, sin 40 = 0.64 upwards.
    lean = _LETTER * max(map(len, column_labels)) if column_labels else 0
    top = 12 + int(0.75 * lean)
    right = 5 + max(int(0.77 * lean) - cell // 2, 0)
    total_width, total_height = left + width + right, top + height + 5
    with styled():
        figure = Figure(figsize=(total_width / _DPI, total_height / _DPI), dpi=_DPI)
        axes = figure.add_axes(
            (left / total_width, 5 / total_height, width / total_width, height / total_height)
        )
        axes.imshow(canvas, interpolation="nearest")
        axes.grid(False)
        axes.spines[:].set_visible(False)
        axes.tick_params(length=0)
        axes.set_yticks(_centres(len(images), cell), row_labels)
        axes.set_xticks([])
        if column_labels:
            axes.xaxis.tick_top()
            axes.set_xticks(
                _centres(len(column_labels), cell),
                column_labels,
                rotation=40,
                ha="left",
                rotation_mode="anchor",
            )
    return figure


def _centres(count: int, cell: int) -> NDArray:
    return np.arange(count) * (cell + _GAP) + cell / 2 - 0.5
