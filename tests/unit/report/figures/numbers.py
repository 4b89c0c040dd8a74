"""Numbers that figures are drawn from, and each figure."""

import numpy as np
import pandas as pd

from equimorph.report.figures.accuracy import accuracy_by_order
from equimorph.report.figures.calibration import reliability_diagram
from equimorph.report.figures.catalogue import class_histogram, sky_map
from equimorph.report.figures.confusion import confusion_matrices
from equimorph.report.figures.curves import training_curves

ORDERS = {"CNN": (None, 1), "C2": ("C2", 2), "C8": ("C8", 8), "D4": ("D4", 8), "D16": ("D16", 32)}


def scores(seeds=3, models=ORDERS, conditions=("clean", "noise-50")):
    rows = [
        {
            "model": name,
            "group": group,
            "group_order": order,
            "condition": condition,
            "accuracy": 0.5 + order / 100 + 0.02 * seed - 0.2 * number,
        }
        for number, condition in enumerate(conditions)
        for name, (group, order) in models.items()
        for seed in range(seeds)
    ]
    return pd.DataFrame(rows)


def histories(epochs=(5, 3)):
    return pd.concat(
        pd.DataFrame(
            {
                "model": name,
                "group": group,
                "seed": seed,
                "epoch": np.arange(1, length + 1),
                "validation_accuracy": 0.1 * np.arange(1, length + 1) + 0.02 * seed,
                "train_loss": 2.0 / np.arange(1, length + 1),
            }
        )
        for name, (group, _) in ORDERS.items()
        for seed, length in enumerate(epochs)
    )


def split():
    return pd.DataFrame(
        {
            "subset": ["test", "train", "train", "validation", "quarantined"],
            "index": range(5),
            "label": [0, 0, 2, 2, 2],
        }
    )


def bins(counts=(0, 4, 6)):
    return pd.DataFrame(
        {
            "low": [0, 1 / 3, 2 / 3],
            "high": [1 / 3, 2 / 3, 1.0],
            "count": counts,
            "confidence": [np.nan, 0.5, 0.9],
            "accuracy": [np.nan, 0.25, 0.8],
        }
    )


FIGURES = {
    "accuracy": lambda: accuracy_by_order(scores(), 0.1),
    "curves": lambda: training_curves(histories()),
    "confusion": lambda: confusion_matrices({"D4": np.eye(3), "CNN": np.ones((3, 3))}, list("abc")),
    "reliability": lambda: reliability_diagram({"D4": bins()}, {"D4": "D4"}, {"D4": 0.16}),
    "histogram": lambda: class_histogram(split(), list("abc")),
    "sky": lambda: sky_map(
        np.array([10.0, 200, np.nan]),
        np.array([0.0, 20, 1]),
        np.array(["test"] * 3),
        np.array([0, 1, 1]),
        list("ab"),
    ),
}
