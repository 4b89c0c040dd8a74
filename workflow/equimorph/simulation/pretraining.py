"""Simulated galaxies to pretrain networks on, at the scale of real images."""

import io
from collections.abc import Callable, Iterable

import numpy as np
import pandas as pd
from PIL import Image

from equimorph.data.classes import GALAXY10_CLASSES
from equimorph.data.split_file import SUBSETS, Split
from equimorph.errors import InputError
from equimorph.simulation.exposure import FIELD
from equimorph.simulation.simulate import simulate

VALIDATION = 10  # one of so many galaxies of each class


def simulate_pretraining(
    per_class: int,
    size: int,
    field: float,
    seed: int,
    jpeg: int | None = None,
    progress: Callable[[Iterable], Iterable] = iter,
) -> tuple[np.ndarray, pd.DataFrame]:
    """Simulate the central part of `per_class` galaxies of each class.

    Args:
        per_class: galaxies of each class, at least `VALIDATION`.
        size: side of the images in px.
        field: side of the images in arcsec, at most the simulator's 67.1.
        seed: any integer from 0.
        jpeg: quality of the JPEG file that each image has been, 1 to 95; None for none.
        progress: wraps the iterable of galaxies, for a progress bar.

    Returns:
        (N, size, size, 3) uint8 images, and a table with label, class_name and pxscale.

    Raises:
        InputError: an argument is out of range.
    """
    if per_class < VALIDATION:
        raise InputError(f"per_class {per_class}: allowed are integers from {VALIDATION}.")
    if not 0 < field <= FIELD:
        raise InputError(f"field {field:g} arcsec: allowed is up to the simulator's {FIELD}.")
    # An even margin on both sides keeps the centre where it is.
    margin = round(size * (FIELD / field - 1) / 2)
    whole = simulate(per_class, size + 2 * margin, seed, progress)
    inside = slice(margin, margin + size)
    images = np.ascontiguousarray(whole.images[:, inside, inside])
    if jpeg is not None:
        for image in images:
            image[:] = recompressed(image, jpeg)
    labels = whole.labels.astype(np.int64)
    names = np.array(GALAXY10_CLASSES)[labels]
    return images, pd.DataFrame({"label": labels, "class_name": names, "pxscale": whole.pxscale})


def recompressed(image: np.ndarray, quality: int) -> np.ndarray:
    """Return an image (H, W, 3) uint8 as it is read back from a JPEG file of this quality."""
    file = io.BytesIO()
    Image.fromarray(image).save(file, "JPEG", quality=quality)
    return np.asarray(Image.open(file))


def split_pretraining(label: np.ndarray) -> Split:
    """Return a split without a test set: the last of each class are for validation.

    Args:
        label: (N,) classes, equally many of each.
    """
    position = pd.Series(label).groupby(label).cumcount().to_numpy()
    count = np.bincount(label)[label]
    held_out = position >= count - np.ceil(count / VALIDATION)
    split = {subset: np.empty(0, np.int64) for subset in SUBSETS}
    return split | {"validation": np.flatnonzero(held_out), "train": np.flatnonzero(~held_out)}
