"""Stored predictions: one `.npz` per model and seed, with the logits under every condition."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from equimorph.errors import InputError
from equimorph.io import atomic_path

# The test images as taken, their logits averaged over turns; no condition can have this name.
TURNS = "clean+turns"


@dataclass(frozen=True)
class Predictions:
    """The logits of one trained model on one test set.

    Attributes:
        index: row of each image in the data set, shape (n,).
        label: true class, shape (n,).
        logits: shape (n, C).
    """

    index: NDArray
    label: NDArray
    logits: NDArray


def write_predictions(
    path: str | Path, index: NDArray, label: NDArray, logits: Mapping[str, NDArray]
) -> None:
    """Write what `read_predictions` reads, atomically.

    Args:
        path: .npz file to write.
        index: row of each image in the data set, shape (n,).
        label: true class, shape (n,).
        logits: logits under each condition, by its name, of shape (n, C).
    """
    with atomic_path(path) as temporary, open(temporary, "wb") as file:
        np.savez_compressed(
            file,
            index=index,
            label=label,
            conditions=np.array(list(logits)),
            logits=np.stack(list(logits.values())),
        )


def read_predictions(path: str | Path) -> dict[str, Predictions]:
    """Read one file with the keys index, label, conditions and logits (conditions, n, C).

    Returns:
        The predictions by condition.

    Raises:
        InputError: not such a file.
    """
    try:
        with np.load(path, allow_pickle=False) as file:
            index, label, logits = file["index"], file["label"], file["logits"]
            return {
                str(name): Predictions(index, label, values)
                for name, values in zip(file["conditions"], logits, strict=True)
            }
    except FileNotFoundError:
        raise
    except Exception as error:  # damaged archives raise many kinds
        raise InputError(
            f"{path}: not a file of predictions; it must be an npz with the keys index, label, "
            f"conditions and logits ({error})."
        ) from error


def model_and_seed(path: str | Path) -> tuple[str, int]:
    """Return model and seed from a path that ends in `<model>/seed-<seed>`, a suffix or a file.

    Raises:
        InputError: the path has another form.
    """
    match = re.search(r"([^/]+)/seed-(\d+)(\.\w+|/[^/]+)$", Path(path).as_posix())
    if match is None:
        raise InputError(
            f"{path}: the path must end in <model>/seed-<number>.npz or in "
            "<model>/seed-<number>/<file>."
        )
    return match[1], int(match[2])


def by_condition(paths: Sequence[str | Path]) -> dict[str, dict[int, Predictions]]:
    """Read one model's predictions, by condition and seed.

    Raises:
        InputError: more than one model, a seed without one of the conditions, or files of
            different images or labels.
    """
    models = {model_and_seed(path)[0] for path in paths}
    if len(models) != 1:
        raise InputError(
            f"predictions of {sorted(models) or 'no model'} given; one model is allowed."
        )
    table: dict[str, dict[int, Predictions]] = {}
    first: Predictions | None = None
    for path in paths:
        for condition, predictions in read_predictions(path).items():
            first = first or predictions
            check_same_images(first, predictions, str(path))
            table.setdefault(condition, {})[model_and_seed(path)[1]] = predictions
    seeds = [set(by_seed) for by_seed in table.values()]
    if any(found != seeds[0] for found in seeds):
        raise InputError(
            f"model {models.pop()}: not every condition has predictions of the same seeds."
        )
    return table


def check_same_images(one: Predictions, other: Predictions, name: str) -> None:
    """Check that two sets of predictions are about the same images, in the same order.

    Raises:
        InputError: they are not; the message starts with `name`.
    """
    if not (np.array_equal(one.index, other.index) and np.array_equal(one.label, other.label)):
        raise InputError(f"{name}: its images or labels are not those of the other predictions.")
