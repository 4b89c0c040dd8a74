"""Victims of an attack: test images that networks have right, common ones and each network's own.

A network that has fewer images right has easier ones; so rates are compared on the images that all
of them have right. Those of its own say how safe a network is by itself.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray


def choose_victims(right: Mapping[str, NDArray], at_most: int, seed: int) -> dict[str, Any]:
    """Choose victims in one random order of the test images for all networks.

    Both sets are the first of that order that qualify, so they have as many as possible in common,
    and more victims are the same ones and others.

    Args:
        right: whether each network has each test image right, booleans (n,).
        at_most: victims of each set.
        seed: of the order.

    Returns:
        Ready for JSON: `common`, positions among the test images in the random order; `own`, the
        same by network; `available`, how many qualified, by network and for `common`. Networks that
        have hardly learnt may have no image right together; then there are no common victims.
    """
    order = np.random.default_rng(seed).permutation(len(next(iter(right.values()))))
    all_right = np.logical_and.reduce(list(right.values()))

    def first(qualified: NDArray) -> list[int]:
        return order[qualified[order]][:at_most].tolist()

    return {
        "common": first(all_right),
        "own": {name: first(one) for name, one in right.items()},
        "available": {
            "common": int(all_right.sum()),
            "own": {name: int(one.sum()) for name, one in right.items()},
        },
    }


def attacked(victims: Mapping[str, Any], model: str) -> list[int]:
    """Return the positions that a network is attacked on, sorted: common victims and its own."""
    return sorted({*victims["common"], *victims["own"][model]})
