"""One split for all models and seeds: stratified by class, grouped by sky position and looks."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from equimorph.data.apportion import largest_remainder
from equimorph.data.sky import pairs_within, sky_groups
from equimorph.data.split_file import PARTS, SUBSETS, Split
from equimorph.errors import InputError

DRAWN = ("clean", "stratified", "legacy_leaky")
PROTOCOLS = (*DRAWN, "table")  # somebody else's, see split_table
# Labels that contradict one another on so many images are no labels, or positions no positions.
MOST_QUARANTINED = 0.5


def make_split(
    catalogue: pd.DataFrame,
    protocol: str,
    fractions: Mapping[str, float],
    seed: int,
    radius_arcsec: float = 67.0,
    folds: int | None = None,
    fold: int | None = None,
    lookalikes: np.ndarray | None = None,
    blank: np.ndarray | None = None,
    at_most: Mapping[str, int | None] | None = None,
) -> Split:
    """Split a catalogue by one of the protocols.

    Args:
        catalogue: the table that `read_catalogue` returns; label, ra and dec are used.
        protocol: a name in `PROTOCOLS`.
        fractions: shares of `train`, `validation` and `test`, which add up to 1; `legacy_leaky`
            has its own. With 0 for `test`, the validation set of `stratified` is the test set, too.
        seed: seed of the random choice.
        radius_arcsec: galaxies this close, also in a chain, stay on one side (`clean`).
        folds: k, for a test set that is one of k folds, which together hold every galaxy once
            (`clean`); train and validation share the rest as their fractions do.
        fold: number of the fold that is the test set, 0 … k - 1.
        lookalikes: (P, 2) row numbers of pairs that are one image, as if at one position (`clean`).
        blank: (B,) row numbers of images that show nothing, to quarantine (`clean`).
        at_most: how many galaxies of each class, drawn at random, `train`, `validation` and `test`
            keep; the others become `unused`. None, or nothing said of a subset, for all.

    Returns:
        For each of `SUBSETS` the row numbers, int64, ascending.

    Raises:
        InputError: an argument is not allowed, a class is too small, or most would be quarantined.
    """
    if seed < 0:
        raise InputError(f"seed {seed}: allowed are the integers from 0.")
    _check_arguments(protocol, fractions, folds, fold)
    label = catalogue["label"].to_numpy()
    if protocol == "legacy_leaky":
        return _thinned(_legacy_split(label, seed), label, at_most, seed)
    if protocol == "stratified":
        return _thinned(_stratified_split(label, fractions, seed), label, at_most, seed)
    n_images = len(catalogue)
    links = np.empty((0, 2), np.int64) if lookalikes is None else lookalikes
    position = catalogue["ra"].to_numpy(), catalogue["dec"].to_numpy()
    conflict = _conflicting(catalogue["label"], sky_groups(*position, 0, links))
    kept = ~conflict
    if blank is not None:
        kept[blank] = False
    if kept.sum() < (1 - MOST_QUARANTINED) * n_images:
        raise InputError(
            f"{n_images - kept.sum()} of {n_images} images would be quarantined, of which "
            f"{conflict.sum()} are at the position, or a copy, of one of another class; allowed is "
            f"at most {MOST_QUARANTINED:.0%}: see the audit, and correct labels and positions."
        )
    # Groups are those of the whole sky: a quarantined galaxy still holds its neighbours together.
    group = sky_groups(*position, radius_arcsec, links)
    kept_rows = np.flatnonzero(kept)
    split = _clean_split(catalogue, kept_rows, group, fractions, seed, folds, fold)
    return _thinned(split, label, at_most, seed)


def effective_fractions(
    protocol: str, fractions: Mapping[str, float], folds: int | None = None
) -> dict[str, float]:
    """Return the fractions that a split really has: a fold or a protocol may set them."""
    if protocol == "legacy_leaky":
        return {"train": 0.64, "validation": 0.16, "test": 0.2, "unused": 0.2}
    if protocol == "stratified" and fractions["test"] == 0:
        fractions = {**fractions, "test": fractions["validation"]}
    if folds is None:
        return {part: float(fractions[part]) for part in PARTS}
    rest = (1 - 1 / folds) / (fractions["train"] + fractions["validation"])
    return {
        "test": 1 / folds,
        "validation": fractions["validation"] * rest,
        "train": fractions["train"] * rest,
    }


def _check_arguments(
    protocol: str, fractions: Mapping[str, float], folds: int | None, fold: int | None
) -> None:
    if protocol not in DRAWN:
        raise InputError(f"protocol {protocol!r}: allowed are {', '.join(DRAWN)}.")
    if set(fractions) != set(PARTS):
        raise InputError(f"fractions {dict(fractions)}: needed are {', '.join(PARTS)}.")
    total = sum(fractions.values())
    if not abs(total - 1) < 1e-9 or min(fractions.values()) < 0:
        given = ", ".join(f"{name} {value:g}" for name, value in fractions.items())
        raise InputError(
            f"fractions {given} add up to {total:g}: allowed are fractions from 0 to 1 that add up "
            "to 1."
        )
    if (folds is None) != (fold is None):
        raise InputError(f"folds {folds}, fold {fold}: give both or neither.")
    if folds is None or fold is None:
        return
    if protocol != "clean":
        raise InputError(f"folds {folds}: the protocol {protocol} has none; only clean has.")
    if folds < 2 or not 0 <= fold < folds:
        raise InputError(
            f"folds {folds}, fold {fold}: allowed are at least 2 folds, numbered 0 to folds - 1."
        )
    if fractions["train"] + fractions["validation"] == 0:
        raise InputError("fractions: with folds, train and validation cannot both be 0.")


def _clean_split(
    catalogue: pd.DataFrame,
    kept: np.ndarray,
    group: np.ndarray,
    fractions: Mapping[str, float],
    seed: int,
    folds: int | None,
    fold: int | None,
) -> Split:
    """Split the rows `kept`, whose `group` (N,) stays together; the others are quarantined."""
    label = catalogue["label"].to_numpy()
    group, label_kept = group[kept], label[kept]
    counts = np.bincount(label_kept, minlength=label.max() + 1)
    shares = effective_fractions("clean", fractions, folds)

    # Test first, from a stream of its own; validation then from what is left.
    targets = np.stack(
        [largest_remainder(n, [shares[part] for part in PARTS]) for n in counts.tolist()]
    )
    n_test, n_validation = targets[:, 0], targets[:, 1]
    if folds is None:
        part = carve(
            label_kept, group, _two_parts(n_test, counts), np.random.default_rng([seed, 0])
        )
        in_test = part == 0
    else:
        # Rolled, so that the odd galaxies of the classes do not pile up in the first folds.
        equal = [
            np.roll(largest_remainder(n, [1 / folds] * folds), c)
            for c, n in enumerate(counts.tolist())
        ]
        part = carve(label_kept, group, np.stack(equal), np.random.default_rng([seed, 0]))
        in_test = part == fold
    rest = np.flatnonzero(~in_test)
    left = np.bincount(label_kept[rest], minlength=len(counts))
    if folds is not None:
        ratio = shares["validation"] / (shares["validation"] + shares["train"])
        n_validation = np.array(
            [largest_remainder(n, [ratio, 1 - ratio])[0] for n in left.tolist()]
        )
    part = carve(
        label_kept[rest],
        group[rest],
        _two_parts(n_validation, left),
        np.random.default_rng([seed, 1]),
    )
    split = {
        "test": kept[in_test],
        "validation": kept[rest[part == 0]],
        "train": kept[rest[part == 1]],
        "quarantined": np.setdiff1d(np.arange(len(label)), kept),
        "unused": np.empty(0, np.int64),
    }
    _check_sizes(catalogue, split, shares)
    return split


def _two_parts(first: np.ndarray, counts: np.ndarray) -> np.ndarray:
    """Return (C, 2) targets: `first` where there are that many, and the others."""
    first = np.minimum(first, counts)
    return np.stack([first, counts - first], axis=1)


def _conflicting(label: pd.Series, group: np.ndarray) -> np.ndarray:
    """Mark (N,) the galaxies whose group, of one position or one image, has several labels."""
    return (label.groupby(group).transform("nunique") > 1).to_numpy()


def carve(
    label: np.ndarray, group: np.ndarray, targets: np.ndarray, rng: np.random.Generator
) -> np.ndarray:
    """Share galaxies out to parts at random, each group as a whole.

    Groups of several go first, the largest ahead, each to a part drawn by the room that is left
    among those where it fits, or where it overfills least. Single galaxies then fill each class up
    to its target, so that a class without overfilled parts meets it exactly.

    Args:
        label: (N,) classes.
        group: (N,) any integer per group.
        targets: (C, K) galaxies of each class for each part; rows add up to the class's count.
        rng: source of the random choice.

    Returns:
        (N,) the part of each galaxy, 0 … K - 1.
    """
    n_classes, n_parts = targets.shape
    part = np.empty(len(label), np.int64)
    room = targets.copy()
    _, number, size = np.unique(group, return_inverse=True, return_counts=True)
    members = np.split(np.argsort(number, kind="stable"), np.cumsum(size)[:-1])
    several = rng.permutation(np.flatnonzero(size > 1))
    for which in several[np.argsort(-size[several], kind="stable")]:
        need = np.bincount(label[members[which]], minlength=n_classes)
        excess = np.maximum(need[:, None] - room, 0).sum(axis=0)
        weight = need @ room
        if (excess == 0).any():
            weight = np.where(excess == 0, weight, 0)
            chosen = rng.choice(n_parts, p=weight / weight.sum())
        else:
            chosen = np.lexsort((-weight, excess))[0]
        part[members[which]] = chosen
        room[:, chosen] -= need
    single = size[number] == 1
    for c in range(n_classes):
        rows = rng.permutation(np.flatnonzero(single & (label == c)))
        if len(rows):
            share = np.maximum(room[c], 0)
            filled = largest_remainder(len(rows), share / share.sum())
            part[rows] = np.repeat(np.arange(n_parts), filled)
    return part


def _check_sizes(catalogue: pd.DataFrame, split: Split, shares: Mapping[str, float]) -> None:
    label = catalogue["label"].to_numpy()
    n_classes = label.max() + 1
    total = np.bincount(np.delete(label, split["quarantined"]), minlength=n_classes)
    wanted = [part for part in PARTS if shares[part] > 0]
    for part in wanted:
        empty = np.flatnonzero(np.bincount(label[split[part]], minlength=n_classes) == 0)
        if len(empty):
            c = empty[0]
            raise InputError(
                f"class {c}: none of its {total[c]} galaxies falls to {part} (fraction "
                f"{shares[part]:g}); each subset needs at least one of each class: give more "
                "galaxies of it, a larger fraction, or a smaller sky radius."
            )


def _legacy_split(label: np.ndarray, seed: int) -> Split:
    """Repeat the protocol of arXiv:2311.01500, whose test set overlaps with training.

    An unstratified permutation sets a fifth aside, which is never used, and a fifth of the rest for
    validation; the test set is a fifth of each class, drawn from all galaxies independently.
    """
    order = np.random.default_rng([seed, 0]).permutation(len(label))
    n_used = len(label) - len(label) // 5
    n_train = n_used - n_used // 5
    rng = np.random.default_rng([seed, 1])
    test = [
        rng.choice(rows, len(rows) // 5, replace=False)
        for rows in (np.flatnonzero(label == c) for c in range(label.max() + 1))
    ]
    return {
        "test": np.sort(np.concatenate(test)),
        "validation": np.sort(order[n_train:n_used]),
        "train": np.sort(order[:n_train]),
        "quarantined": np.empty(0, np.int64),
        "unused": np.sort(order[n_used:]),
    }


def _stratified_split(label: np.ndarray, fractions: Mapping[str, float], seed: int) -> Split:
    """Repeat the protocol of S2, S3 and S4: scikit-learn's stratified split, in one or two steps.

    Neighbours on the sky, and copies of one image, may stand on two sides. S3 has no test set: it
    quotes the accuracy of the validation set.

    Raises:
        InputError: a class or a subset is too small to be split so.
    """
    from sklearn.model_selection import train_test_split

    rows, test = np.arange(len(label)), fractions["test"]
    held_out = fractions["validation"] + test
    try:
        train, rest = train_test_split(
            rows, test_size=round(held_out, 9), stratify=label, random_state=seed
        )
        parts = rest, rest
        if test > 0:
            parts = train_test_split(
                rest, test_size=round(test / held_out, 9), stratify=label[rest], random_state=seed
            )
    except ValueError as error:
        raise InputError(f"protocol stratified: {error}") from error
    return {
        "test": np.sort(parts[1]),
        "validation": np.sort(parts[0]),
        "train": np.sort(train),
        "quarantined": np.empty(0, np.int64),
        "unused": np.empty(0, np.int64),
    }


def _thinned(
    split: Split, label: np.ndarray, at_most: Mapping[str, int | None] | None, seed: int
) -> Split:
    """Keep at most so many galaxies of each class in a subset, drawn at random."""
    wanted = {part: most for part, most in (at_most or {}).items() if most is not None}
    if not wanted:
        return split
    result = dict(split)
    for part, most in wanted.items():
        # A stream of its own for each subset: equal ones stay equal.
        rng, rows = np.random.default_rng([seed, 2]), split[part]
        members = (rng.permutation(rows[label[rows] == c]) for c in np.unique(label[rows]))
        result[part] = np.sort(np.concatenate([each[:most] for each in members]))
    kept = np.concatenate([result[part] for part in PARTS])
    taken_out = np.concatenate([split["unused"], *(split[part] for part in PARTS)])
    result["unused"] = np.setdiff1d(taken_out, kept)
    return result


def check_no_leak(
    split: Split,
    catalogue: pd.DataFrame,
    radius_arcsec: float,
    lookalikes: np.ndarray | None = None,
) -> None:
    """Check that no galaxy, nor a sky neighbour or a look-alike of it, stands on two sides.

    Args:
        split: row numbers of `train`, `validation` and `test`.
        catalogue: the table that `read_catalogue` returns; ra and dec are used.
        radius_arcsec: largest separation of two neighbours.
        lookalikes: (P, 2) row numbers of pairs that are one image.

    Raises:
        InputError: a galaxy, a pair of neighbours or of look-alikes is in two of the three subsets.
    """
    side = np.full(len(catalogue), -1)
    for number, part in enumerate(PARTS):
        rows = split[part]
        twice = rows[side[rows] >= 0]
        if len(twice):
            raise InputError(
                f"split: {len(twice)} galaxies of {part} are also in {PARTS[side[twice[0]]]}, the "
                f"first is {twice[0]}; allowed is one subset per galaxy."
            )
        side[rows] = number
    pairs, separation = pairs_within(
        catalogue["ra"].to_numpy(), catalogue["dec"].to_numpy(), radius_arcsec
    )
    sides = side[pairs]
    wrong = np.flatnonzero((sides >= 0).all(axis=1) & (sides[:, 0] != sides[:, 1]))
    if len(wrong):
        (a, b), (side_a, side_b) = pairs[wrong[0]], sides[wrong[0]]
        raise InputError(
            f"split: {len(wrong)} pairs within {radius_arcsec:g} arcsec stand on two sides, the "
            f"first are {a} in {PARTS[side_a]} and {b} in {PARTS[side_b]}, "
            f"{separation[wrong[0]]:.1f} arcsec apart; allowed is one subset per sky group."
        )
    if lookalikes is None:
        return
    sides = side[lookalikes]
    wrong = np.flatnonzero((sides >= 0).all(axis=1) & (sides[:, 0] != sides[:, 1]))
    if len(wrong):
        a, b = lookalikes[wrong[0]]
        raise InputError(
            f"split: {len(wrong)} pairs of one image stand on two sides, first {a} and {b}; "
            "allowed is one subset for both."
        )


def describe_split(split: Split, label: np.ndarray) -> dict[str, Any]:
    """Count a split: galaxies per subset and class, and how much of the test set was seen.

    Returns:
        `counts` {subset: [n per class]}, `total` {subset: n}, `overlap` {`test_in_train`,
        `test_in_validation`: {`galaxies`: n, `share`: of the test set}}.
    """
    n_classes = label.max() + 1
    overlap = {}
    for part in ("train", "validation"):
        seen = int(np.isin(split["test"], split[part]).sum())
        share = seen / len(split["test"]) if len(split["test"]) else 0.0
        overlap[f"test_in_{part}"] = {"galaxies": seen, "share": share}
    return {
        "counts": {s: np.bincount(label[split[s]], minlength=n_classes).tolist() for s in SUBSETS},
        "total": {s: len(split[s]) for s in SUBSETS},
        "overlap": overlap,
    }
