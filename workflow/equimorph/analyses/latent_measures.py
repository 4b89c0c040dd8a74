"""What is said of latent spaces, network by network, with intervals over test images."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from equimorph.analyses.intervals import mean_interval
from equimorph.analyses.latent import NEIGHBOURS, purity

ATTACKED = "one-pixel"


def latent_measures(
    stored: Mapping[str, Mapping[str, NDArray]], draws: int, seed: int
) -> dict[str, Any]:
    """Return the measures of all networks, ready for JSON.

    Args:
        stored: what the file of each network's embeddings holds.
        draws: bootstrap resamples.
        seed: their seed.

    Returns:
        `neighbours` (how many), `images`, and by network: `purity`, `turn_scatter`, and
        `distances` by condition, of `all` images and of those that are `wrong` there (None where
        none is); each {mean, ci95}. `ATTACKED` is among the conditions where there was an attack:
        its images are the network's victims.
    """

    def measured(values: NDArray) -> dict[str, Any] | None:
        if not len(values):
            return None
        values = np.asarray(values, np.float64)
        return {"mean": float(values.mean()), "ci95": mean_interval(values, draws, seed)}

    def moved(distances: NDArray, wrong: NDArray) -> dict[str, Any]:
        return {"all": measured(distances), "wrong": measured(distances[wrong])}

    def by_condition(one: Mapping[str, NDArray]) -> dict[str, Any]:
        rows = zip(one["conditions"], one["distances"], one["wrong"], strict=True)
        found = {str(condition): moved(*row) for condition, *row in rows}
        if "attacked" in one:
            found[ATTACKED] = moved(one["attacked"], one["fooled"])
        return found

    first = next(iter(stored.values()))
    return {
        "neighbours": min(NEIGHBOURS, len(first["label"]) - 1),
        "images": len(first["label"]),
        "networks": {
            name: {
                "purity": measured(purity(one["label"], one["neighbours"])),
                "turn_scatter": measured(one["turn_scatter"]),
                "distances": by_condition(one),
            }
            for name, one in stored.items()
        },
    }
