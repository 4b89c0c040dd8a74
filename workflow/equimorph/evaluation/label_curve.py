"""Accuracy against the number of labels, of networks that differ in it and in where they start."""

from collections.abc import Iterable
from typing import Any

import pandas as pd

COLUMNS = ["network", "group", "pretrained", "labels", "seed", "accuracy"]


def label_curve(measures: Iterable[dict[str, Any]]) -> pd.DataFrame:
    """Return a row per model and seed, and per pretraining that has seen no real label.

    Args:
        measures: of each model, as `scripts/evaluate/measure.py` writes them.

    Returns:
        Columns network (the group, or the architecture of a plain one), group (None for plain
        ones), pretrained, labels (0 for a pretraining alone), seed, and accuracy on the clean test
        images; no row twice, though models may share a pretraining.
    """
    rows = []
    for model in measures:
        measured = {model["train_images"]: model["conditions"]["clean"]}
        if "zero_labels" in model:
            measured[0] = model["zero_labels"]
        for labels, summary in measured.items():
            for seed, accuracy in zip(model["seeds"], summary["accuracy"]["values"], strict=True):
                name = model["group"] or model["architecture"].upper()
                start = (name, model["group"], model["pretrained"])
                rows.append((*start, labels, seed, accuracy))
    table = pd.DataFrame(rows, columns=COLUMNS).drop_duplicates()
    return table.sort_values(["network", "pretrained", "labels", "seed"], ignore_index=True)
