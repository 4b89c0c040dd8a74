"""Which networks a figure shows in detail, of those that an analysis has looked at."""

from collections.abc import Collection
from typing import Any

from equimorph.evaluation.summary import highlighted


def shown(metrics: dict[str, Any], analysed: Collection[str]) -> list[str]:
    """Return the study's highlighted models; in the place of one not analysed, the first that was.

    Args:
        metrics: the study's metrics.json.
        analysed: names of models, at least one.
    """
    chosen = highlighted(metrics)
    others = (name for name in analysed if name not in chosen)
    found = [name if name in analysed else next(others, None) for name in chosen]
    return [name for name in found if name is not None]
