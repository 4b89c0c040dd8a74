"""Stored one-pixel attacks: one `.npz` per network, with each method's attack on every victim."""

from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from equimorph.analyses.array_file import read_arrays, write_arrays
from equimorph.errors import InputError
from equimorph.robustness.attacks import Attacks

METHODS = ("exhaustion", "evolution")


@dataclass(frozen=True)
class Attacked:
    """One network's victims and the attacks on them.

    Attributes:
        position: (V,) places of the victims among the test images.
        label: (V,) true classes.
        images: (V, 3, S, S) uint8, what the network is shown of them.
        by_method: the attacks, by method.
    """

    position: NDArray
    label: NDArray
    images: NDArray
    by_method: dict[str, Attacks]

    def rows(self, positions: list[int]) -> NDArray:
        """Return the rows of victims that are given by their places among the test images."""
        return np.searchsorted(self.position, sorted(positions))


def write_attacked(path: str | Path, attacked: Attacked) -> None:
    """Write what `read_attacked` reads, atomically."""
    arrays = {name: getattr(attacked, name) for name in ("position", "label", "images")}
    write_arrays(path, {**arrays, **_flat(attacked.by_method)})


def read_attacked(path: str | Path) -> Attacked:
    """Read one network's attacks.

    Raises:
        InputError: not such a file.
    """
    stored = read_arrays(path)
    by_method = {method: _attacks(stored, method) for method in METHODS if _has(stored, method)}
    return Attacked(stored["position"], stored["label"], stored["images"], by_method)


def write_chunk(path: str | Path, attacks: Attacks) -> None:
    """Write the attacks on some victims, atomically, for a run that goes on later."""
    write_arrays(path, _flat({"chunk": attacks}))


def read_chunk(path: str | Path) -> Attacks | None:
    """Read what `write_chunk` has written; None where it is missing or damaged."""
    try:
        return _attacks(read_arrays(path), "chunk")
    except (FileNotFoundError, InputError, KeyError):
        return None


def _flat(by_method: Mapping[str, Attacks]) -> dict[str, NDArray]:
    return {
        f"{method}/{name}": values
        for method, attacks in by_method.items()
        for name, values in attacks.arrays().items()
    }


def _has(stored: Mapping[str, NDArray], method: str) -> bool:
    return f"{method}/success" in stored


def _attacks(stored: Mapping[str, NDArray], method: str) -> Attacks:
    return Attacks(*(stored[f"{method}/{field.name}"] for field in fields(Attacks)))
