"""What the data look like: measures of galaxies by class, and preparations side by side."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray

from equimorph.data.photometry import measure
from equimorph.data.star_filters import FILTERS
from equimorph.robustness.degradations import opening
from equimorph.training.augment import Augmentation, augment

OPENINGS = (3, 4)  # px, S1's radii


def galaxy_table(images: NDArray, catalogue: pd.DataFrame, rows: NDArray) -> pd.DataFrame:
    """Return a row per galaxy: index, label, redshift, and what is measured on its image.

    Radii are NaN where the pixel scale is not known.

    Args:
        images: (N, H, H, 3) uint8 of the data set, may be memory-mapped.
        catalogue: what `data.catalogue.read_catalogue` returns.
        rows: the galaxies to look at.
    """
    chosen = catalogue.iloc[rows]
    scales = chosen["pxscale"].to_numpy(float)
    measured = pd.DataFrame(
        [
            vars(measure(np.asarray(images[row]), scale if scale > 0 else 1.0))
            for row, scale in zip(rows, scales, strict=True)
        ]
    )
    measured.loc[~(scales > 0), "radius"] = np.nan  # in px, which are no arcsec
    own = chosen[["index", "label", "redshift"]].reset_index(drop=True)
    return pd.concat([own, measured], axis=1)


def prepared_sheet(images: NDArray, pixel_scale: float, seed: int) -> dict[str, NDArray]:
    """Return images as they are, without field stars by each filter, and opened with two discs.

    Args:
        images: (K, H, H, 3) uint8.
        pixel_scale: arcsec per px.
        seed: of the noise in the place of stars.

    Returns:
        (K, H, H, 3) uint8 by name.
    """
    sheet = {"as taken": images}
    for name, remove in FILTERS.items():
        cleaned = [
            remove(image, pixel_scale, np.random.default_rng([seed, number]))
            for number, image in enumerate(images)
        ]
        sheet[f"stars removed, {name}"] = np.stack(cleaned)
    unused = np.random.default_rng(0)
    for radius in OPENINGS:
        opened = [opening.apply(image, unused, None, radius=radius) for image in images]
        sheet[f"opened, {radius} px"] = np.stack(opened)
    return sheet


def augmented_sheet(images: NDArray, settings: Mapping[str, Any], draws: int, seed: int) -> NDArray:
    """Return (K, 1 + draws, H, H, 3) uint8: each image, and random forms that training shows of it.

    Args:
        images: (K, H, H, 3) uint8.
        settings: `train.augmentation`.
        draws: forms of each image.
        seed: draws the forms.
    """
    generator = torch.Generator().manual_seed(seed)
    tensors = torch.from_numpy(images.copy()).permute(0, 3, 1, 2)
    forms = [
        augment(tensors, Augmentation(**settings), generator).clamp(0, 255).round().byte()
        for _ in range(draws)
    ]
    return torch.stack([tensors, *forms], dim=1).permute(0, 1, 3, 4, 2).numpy()


def by_class(galaxies: pd.DataFrame, classes: list[str]) -> dict[str, dict[str, Any]]:
    """Return the median of each measure by class, and how many galaxies have it; ready for JSON.

    Args:
        galaxies: what `galaxy_table` returns.
        classes: names in label order; a class without a galaxy is left out.
    """
    measures = [name for name in galaxies if name not in ("index", "label")]
    found: dict[str, dict[str, Any]] = {}
    for label, own in galaxies.groupby("label"):
        found[classes[int(str(label))]] = {
            str(name): {
                "median": None if own[name].isna().all() else float(own[name].median()),
                "galaxies": int(own[name].notna().sum()),
            }
            for name in measures
        }
    return found
