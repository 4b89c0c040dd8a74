"""Which networks a figure shows in detail, of those that an analysis has looked at."""

from collections.abc import Collection
from typing import Any

from equimorph.evaluation.summary import highlighted


def shown(metrics: dict[str, Any], analysed: Collection[str]) -> list[str]:
    """Return those of the study's highlighted models that were analysed, else the first that was.

    Args:
        metrics: the study's metrics.json.
        analysed: names of models, at least one.
    """
    return [name for name in highlighted(metrics) if name in analysed] or [next(iter(analysed))]
