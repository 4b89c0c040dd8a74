"""Data sets made of another one, to be kept on disk as two of the published studies did.

S1 opened its images (arXiv:2311.01500); S3 filled its small classes up with changed copies. Here a
study needs neither: `train.sampler` draws the copies anew in each epoch.
"""

from collections.abc import Iterator
from pathlib import Path

import h5py
import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray

from equimorph.data.raw import (
    ORIGIN_KEY,
    RAW_KEYS,
    RawArrays,
    open_raw,
    read_column,
    write_raw,
)
from equimorph.data.split_file import PARTS, Split
from equimorph.errors import InputError
from equimorph.io import atomic_path
from equimorph.progress import progress
from equimorph.robustness.degradations import opening
from equimorph.training.augment import Augmentation, augment

BATCH = 64  # copies that are changed at a time


def read_raw(path: str | Path) -> RawArrays:
    """Read a whole raw file into memory.

    Raises:
        InputError: it cannot be read.
    """
    with open_raw(path) as file:
        return RawArrays(*(read_column(file, key) for key in RAW_KEYS))


def write_set(path: str | Path, raw: RawArrays, source: str | Path) -> None:
    """Write a data set that was made of another one, with what that says beside its arrays.

    That are the units of positions and, where no image has been added, each one's row in the file
    that they were taken from.

    Args:
        path: HDF5 file to write.
        raw: its arrays.
        source: raw HDF5 file that they were made of.
    """
    with atomic_path(path) as temporary:
        write_raw(temporary, *raw)
        with h5py.File(source) as old, h5py.File(temporary, "r+") as new:
            for key in ("ra", "dec"):
                new[key].attrs.update(old[key].attrs)
            if ORIGIN_KEY in old and len(old[ORIGIN_KEY]) == len(raw.labels):
                new[ORIGIN_KEY] = old[ORIGIN_KEY][:]


def opened(raw: RawArrays, radius: int) -> RawArrays:
    """Return a data set whose images are opened morphologically with a disc, channel by channel.

    Args:
        raw: images (N, H, W, 3) uint8 and what is known of them.
        radius: of the disc in px, at the images' own resolution; S1's are 3 and 4 at 224 px.
    """
    unused = np.random.default_rng(0)
    images = np.empty_like(raw.images)
    with progress(len(images), "open", "images") as bar:
        for number, image in enumerate(raw.images):
            images[number] = opening.apply(image, unused, None, radius=radius)
            bar.update()
    return raw._replace(images=images)


def oversampled(
    raw: RawArrays, split: Split, augmentation: Augmentation, seed: int
) -> tuple[RawArrays, pd.DataFrame]:
    """Return a data set whose classes have equally many training images, and its split.

    Changed copies of training images, drawn at random, fill each class up to the largest one. They
    stand behind the images of the data set, whose rows stay what they are; validation and test
    images have no copies. A copy has no position: many galaxies at one place are a mistake.

    Args:
        raw: images (N, H, W, 3) uint8 and what is known of them.
        split: rows of each subset, of `PARTS` at least.
        augmentation: how copies are changed.
        seed: draws which images are copied, and their changes.

    Returns:
        The data set, and a row per image that is in a subset: `row`, `subset`, and `copy_of`, the
        row of the original, -1 for originals; `data.split.table` reads it.

    Raises:
        InputError: the split names rows that the data set does not have, or no training image.
    """
    last = max((rows.max() for rows in split.values() if len(rows)), default=-1)
    if not len(split["train"]) or last >= len(raw.images):
        raise InputError(
            f"a split of {len(split['train'])} training images, up to row {last}: needed are "
            f"training images, among the rows 0 to {len(raw.images) - 1} of the data set."
        )
    copied = rows_to_copy(split["train"], raw.labels[split["train"]], np.random.default_rng(seed))
    copies = np.concatenate([raw.images[:0], *_changed(raw.images, copied, augmentation, seed)])
    labels, redshift, pxscale = (each[copied] for each in (raw.labels, raw.redshift, raw.pxscale))
    nowhere = np.full(len(copied), np.nan)
    behind = RawArrays(copies, labels, nowhere, nowhere, redshift, pxscale)
    everything = RawArrays(*map(np.concatenate, zip(raw, behind, strict=True)))
    parts = [pd.DataFrame({"row": split[part], "subset": part, "copy_of": -1}) for part in PARTS]
    new = np.arange(len(raw.images), len(everything.images))
    parts.append(pd.DataFrame({"row": new, "subset": "train", "copy_of": copied}))
    return everything, pd.concat(parts).sort_values("row", ignore_index=True)


def rows_to_copy(rows: NDArray, labels: NDArray, rng: np.random.Generator) -> NDArray[np.int64]:
    """Return the rows that are copied, some of them often, so that all classes have equally many.

    Args:
        rows: (n,) of the training images.
        labels: (n,) their classes.
        rng: draws them, class by class.
    """
    classes, counts = np.unique(labels, return_counts=True)
    drawn = [
        rng.choice(rows[labels == label], counts.max() - count)
        for label, count in zip(classes, counts, strict=True)
    ]
    return np.concatenate(drawn).astype(np.int64)


def _changed(
    images: NDArray[np.uint8], rows: NDArray, augmentation: Augmentation, seed: int
) -> Iterator[NDArray[np.uint8]]:
    """Yield changed copies of some images, batch by batch, (n, H, W, 3)."""
    generator = torch.Generator().manual_seed(seed)
    with progress(len(rows), "copy", "images") as bar:
        for start in range(0, len(rows), BATCH):
            own = torch.from_numpy(images[rows[start : start + BATCH]]).permute(0, 3, 1, 2)
            changed = augment(own, augmentation, generator).clamp(0, 255).round().byte()
            yield changed.permute(0, 2, 3, 1).numpy()
            bar.update(len(own))
