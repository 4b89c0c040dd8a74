"""What a catalogue holds that could mislead a study: duplicates, neighbours, gaps."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from equimorph.data.classes import check_n_classes
from equimorph.data.sky import SAME_POSITION_ARCSEC, check_radius, pairs_within
from equimorph.errors import InputError

# Reported beside the study's own radius: seeing, blends, half and all of a Galaxy10 cut-out.
RADII_ARCSEC = (3.0, 5.0, 10.0, 20.0, 33.5)
NO_PAIRS = np.empty((0, 2), np.int64)


def audit(
    catalogue: pd.DataFrame,
    n_classes: int,
    radius_arcsec: float = 67.0,
    lookalikes: np.ndarray = NO_PAIRS,
    blank: Sequence[int] | np.ndarray = (),
) -> tuple[dict[str, Any], pd.DataFrame]:
    """Count what may leak between subsets or contradict itself.

    Args:
        catalogue: the table that `read_catalogue` returns.
        n_classes: number of classes; each label 0 … n_classes - 1 must occur.
        radius_arcsec: galaxies this close are in one another's image.
        lookalikes: (P, 2) row numbers of pairs that are one image.
        blank: row numbers of images that show nothing.

    Returns:
        The report, ready for JSON, with `warnings` in whole sentences; and the pairs within the
        radius: index_a, label_a, index_b, label_b, separation_arcsec, nearest first.

    Raises:
        InputError: the labels do not fit the number of classes, or the radius is no angle.
    """
    check_n_classes(n_classes)
    check_radius(radius_arcsec)
    counts = _class_counts(catalogue, n_classes)
    label = catalogue["label"].to_numpy()
    radii = sorted({*RADII_ARCSEC, float(radius_arcsec)})
    pairs, separation = pairs_within(
        catalogue["ra"].to_numpy(), catalogue["dec"].to_numpy(), max(radii)
    )
    same = pairs[separation <= SAME_POSITION_ARCSEC]
    known = catalogue["redshift"].notna()
    report = {
        "images": len(catalogue),
        "classes": _class_names(catalogue, n_classes),
        "class_counts": counts,
        "same_position": _contradictions(label[same]),
        "lookalikes": _contradictions(label[lookalikes]),
        "blank": [int(row) for row in blank],
        "neighbours": [
            {
                "radius_arcsec": radius,
                "pairs": int((separation <= radius).sum()),
                "images": len(np.unique(pairs[separation <= radius])),
            }
            for radius in radii
        ],
        "missing": {
            "coordinates": int(catalogue["ra"].isna().sum()),
            "redshift": int((~known).sum()),
        },
        "redshift_equal_to_dec": int((catalogue["redshift"] == catalogue["dec"])[known].sum()),
    }
    report["warnings"] = _warnings(report, radius_arcsec)
    near = separation <= radius_arcsec
    return report, _neighbours(pairs[near], separation[near], label)


def _class_counts(catalogue: pd.DataFrame, n_classes: int) -> list[int]:
    label = catalogue["label"].to_numpy()
    wrong = (label < 0) | (label >= n_classes)
    if wrong.any():
        row = int(wrong.argmax())
        raise InputError(
            f"catalogue: column label, row {row}: {label[row]} is not allowed; with {n_classes} "
            f"classes allowed are 0 to {n_classes - 1}."
        )
    counts = np.bincount(label, minlength=n_classes)
    if not counts.all():
        raise InputError(
            f"catalogue: column label: no image has label {int(counts.argmin())}; each of the "
            f"{n_classes} classes needs at least one."
        )
    return counts.tolist()


def _class_names(catalogue: pd.DataFrame, n_classes: int) -> list[str]:
    names = catalogue.groupby("label")["class_name"].first()
    return [str(names[label]) for label in range(n_classes)]


def _contradictions(labels: np.ndarray) -> dict[str, Any]:
    """Describe pairs that should have one label by those they have (P, 2)."""
    conflicting = np.sort(labels[labels[:, 0] != labels[:, 1]], axis=1)
    kinds, number = np.unique(conflicting, axis=0, return_counts=True)
    order = np.argsort(-number, kind="stable")
    return {
        "pairs": len(labels),
        "conflicting": len(conflicting),
        "conflicts": [
            {"labels": kinds[kind].tolist(), "pairs": int(number[kind])} for kind in order
        ],
    }


def _neighbours(pairs: np.ndarray, separation: np.ndarray, label: np.ndarray) -> pd.DataFrame:
    order = np.argsort(separation, kind="stable")
    first, second = pairs[order].T
    return pd.DataFrame(
        {
            "index_a": first,
            "label_a": label[first],
            "index_b": second,
            "label_b": label[second],
            "separation_arcsec": separation[order].round(6),
        }
    )


def _warnings(report: dict[str, Any], radius_arcsec: float) -> list[str]:
    same, missing = report["same_position"], report["missing"]
    alike, blank = report["lookalikes"], report["blank"]
    equal = report["redshift_equal_to_dec"]
    near = next(n for n in report["neighbours"] if n["radius_arcsec"] == radius_arcsec)
    found = [
        (
            same["conflicting"],
            f"{same['conflicting']} of {same['pairs']} pairs at the same position carry two "
            "different labels.",
        ),
        (
            near["pairs"],
            f"{near['pairs']} pairs ({near['images']} images) lie within "
            f"{near['radius_arcsec']:g} arcsec of each other.",
        ),
        (
            alike["pairs"],
            f"{alike['pairs']} pairs are one image, also where it is rotated, reflected or "
            f"recompressed; {alike['conflicting']} of them carry two different labels.",
        ),
        (len(blank), f"{len(blank)} images are blank: rows {', '.join(map(str, blank))}."),
        (
            missing["coordinates"],
            f"{missing['coordinates']} of {report['images']} images have no coordinates; their "
            "neighbours cannot be found.",
        ),
        (
            equal,
            f"{equal} redshifts are the declination: the column redshift is a copy of dec, a known "
            "defect of a published coordinates table.",
        ),
    ]
    return [sentence for number, sentence in found if number]
