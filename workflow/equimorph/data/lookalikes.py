"""Equal and near-equal images in one data set, whatever their names and positions; blank images.

An image is told by its noise and detail on a coarse grid, as by a fingerprint, which survives being
rotated, reflected, recompressed or resampled. Measured on 17,571 real galaxies of 48 px: the 58
pairs that are one image have a similarity of 0.999 and more, the other 154 million at most 0.78
(thin edge-on discs). Copies of real 256 px images keep at least 0.89 after JPEG of quality 50,
rotated or not, and 0.98 at half the resolution; of 48 px images, 0.85 after JPEG of quality 75 and
a rotation.

What moves the detail within its cells is not found. Of 100 real images, the least and the median
similarity of copies are 0.84 and 0.91 for a shift by 1 px of 256, 0.62 and 0.75 for 2 px; 0.78 and
0.85 for a zoom by 2 %, 0.39 and 0.53 for 5 %; and at 48 px 0.45 and 0.65 for JPEG of quality 50. A
smoother print (differences of Gaussians of 0.7 and 1.5 cells) gives shifts by 2 px at least 0.85,
but at 0.8 takes 847 pairs of different 48 px galaxies for one image, 257 of them with two labels,
which would be quarantined.
"""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd
from scipy import ndimage

from equimorph.errors import InputError

GRID = 32  # cells on a side
# Darkest to brightest pixel value; blank cut-outs of Galaxy10, as JPEG, have 7, the next image 98.
BLANK_RANGE = 8
CLIP = 3.0  # standard deviations of an image's detail: no star or core outweighs all the rest
LEAST_NOISE = 12**-0.5  # pixel values: that of rounding
BLOCK = 256  # images that are compared with all others at a time
COLUMNS = ("index_a", "label_a", "index_b", "label_b", "similarity")


def is_blank(images: np.ndarray) -> np.ndarray:
    """Return which of (N, H, W, 3) uint8 images show nothing, (N,) bool."""
    values = images.reshape(len(images), -1)
    return values.max(axis=1).astype(int) - values.min(axis=1) <= BLANK_RANGE


def shrink(images: np.ndarray, grid: int = GRID) -> np.ndarray:
    """Return the mean light of (N, H, H, 3) images in grid x grid cells, float32.

    Cells are of equal width, cut across pixels, so that shrinking commutes with rotations by 90
    degrees and reflections. Images of fewer pixels keep their own.
    """
    side = images.shape[1]
    grid = min(grid, side)
    pixel, cell = np.arange(side), np.arange(grid)[:, None]
    width = side / grid
    overlap = np.minimum(pixel + 1, (cell + 1) * width) - np.maximum(pixel, cell * width)
    weight = (np.maximum(overlap, 0) / width).astype(np.float32)
    light = images.mean(axis=3, dtype=np.float32)
    return weight @ light @ weight.T


def fingerprints(cells: np.ndarray) -> np.ndarray:
    """Return what tells images apart, so that the dot product of two is their similarity.

    Args:
        cells: (N, G, G) from `shrink`, of all images that are compared.

    Returns:
        (N, G, G) float32 of unit norm: what is finer than a cell or two, in units of its own
        spread, without what all images have in common, such as a galaxy in the centre or a mask.
    """
    detail = cells - ndimage.gaussian_filter(cells, (0, 1, 1))
    spread = 1.4826 * np.median(np.abs(detail), axis=(1, 2), keepdims=True)
    detail = np.clip(detail / np.maximum(spread, LEAST_NOISE), -CLIP, CLIP)
    mean = _over_orientations(detail.mean(axis=0))
    variance = _over_orientations(np.square(detail).mean(axis=0)) - np.square(mean)
    detail = (detail - mean) / np.sqrt(np.maximum(variance, 1e-6))
    norm = np.sqrt(np.square(detail).sum(axis=(1, 2), keepdims=True))
    return (detail / np.maximum(norm, 1e-6)).astype(np.float32)


def _orientations(images: np.ndarray) -> Iterator[np.ndarray]:
    """Yield (N, G, G) images in the eight orientations that quarter turns and a reflection give."""
    for seen in (images, images.swapaxes(1, 2)):
        for quarter in range(4):
            yield np.rot90(seen, quarter, (1, 2))


def _over_orientations(image: np.ndarray) -> np.ndarray:
    return np.mean(list(_orientations(image[None])), axis=0)[0]


def find_lookalikes(prints: np.ndarray, similarity: float) -> tuple[np.ndarray, np.ndarray]:
    """Compare all images with all, in every orientation.

    The cost goes with the square of N: 40 s of a processor's time for 17,571 images.

    Args:
        prints: (N, G, G) from `fingerprints`.
        similarity: least one of a pair, 0 to 1; 1 is for images that are equal up to rounding.

    Returns:
        Row numbers (P, 2) int64 with the lower one first, in ascending order, and the similarities
        (P,), the highest of the eight orientations.
    """
    flat = prints.reshape(len(prints), -1)
    pairs, found = [np.empty((0, 2), np.int64)], [np.empty(0, np.float32)]
    for start in range(0, len(prints), BLOCK):
        block, others = prints[start : start + BLOCK], flat[start:].T
        best = np.full((len(block), others.shape[1]), -1, np.float32)
        for seen in _orientations(block):
            np.maximum(best, seen.reshape(len(block), -1) @ others, out=best)
        row, other = np.nonzero(np.triu(best >= similarity - 1e-4, 1))
        pairs.append(np.stack([row, other], axis=1) + start)
        found.append(best[row, other])
    return np.concatenate(pairs), np.concatenate(found)


def read_lookalikes(path: str | Path, n_images: int) -> np.ndarray:
    """Read the pairs (P, 2) of a table with the columns index_a and index_b.

    Raises:
        InputError: the file is no such table of `n_images` images.
    """
    return _read_rows(path, ["index_a", "index_b"], n_images)


def read_blank(path: str | Path, n_images: int) -> np.ndarray:
    """Read the row numbers (B,) of a table with the column index.

    Raises:
        InputError: the file is no such table of `n_images` images.
    """
    return _read_rows(path, ["index"], n_images)[:, 0]


def _read_rows(path: str | Path, columns: list[str], n_images: int) -> np.ndarray:
    try:
        rows = pd.read_csv(path, usecols=columns, dtype=np.int64)[columns].to_numpy()
    except (OSError, ValueError) as error:
        raise InputError(f"{path}: not a table with {', '.join(columns)} ({error}).") from error
    if rows.size and not (rows.min() >= 0 and rows.max() < n_images):
        raise InputError(f"{path}: has rows outside 0 to {n_images - 1}; it is of other images.")
    return rows
