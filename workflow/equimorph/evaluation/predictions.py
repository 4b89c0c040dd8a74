"""Stored predictions: one `.npz` per model, seed and condition."""

import re
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from equimorph.errors import InputError


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


def read_predictions(path: str | Path) -> Predictions:
    """Read one file with the keys index, label and logits.

    Raises:
        InputError: not such a file.
    """
    try:
        with np.load(path, allow_pickle=False) as file:
            return Predictions(file["index"], file["label"], file["logits"])
    except FileNotFoundError:
        raise
    except Exception as error:  # damaged archives raise many kinds
        raise InputError(
            f"{path}: not a file of predictions; it must be an npz with the keys index, label "
            f"and logits ({error})."
        ) from error


def model_and_seed(path: str | Path) -> tuple[str, int]:
    """Return model and seed from a path that ends in `<model>/seed-<seed>/<file>`.

    Raises:
        InputError: the path has another form.
    """
    parents = Path(path).parts[-3:-1]
    match = re.fullmatch(r"seed-(\d+)", parents[1]) if len(parents) == 2 else None
    if match is None:
        raise InputError(f"{path}: the path must end in <model>/seed-<number>/<file>.")
    return parents[0], int(match[1])


def by_condition(paths: list[str | Path]) -> dict[str, dict[int, Predictions]]:
    """Read one model's predictions, by condition (the file's stem) and seed.

    Raises:
        InputError: more than one model, a seed without one of the conditions, or files of
            different images or labels.
    """
    table: dict[str, dict[int, Predictions]] = {}
    first: Predictions | None = None
    models = {model_and_seed(path)[0] for path in paths}
    if len(models) != 1:
        raise InputError(
            f"predictions of {sorted(models) or 'no model'} given; one model is allowed."
        )
    for path in paths:
        predictions = read_predictions(path)
        first = first or predictions
        check_same_images(first, predictions, str(path))
        table.setdefault(Path(path).stem, {})[model_and_seed(path)[1]] = predictions
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
