"""Accuracy, macro-F1 and ECE along a sweep, with intervals, and the area under each curve."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from equimorph.analyses.intervals import reflected_interval
from equimorph.analyses.weighted_metrics import WEIGHTED
from equimorph.evaluation.metrics import METRICS
from equimorph.evaluation.predictions import Predictions
from equimorph.evaluation.probabilities import probabilities
from equimorph.evaluation.statistics import (
    bootstrap_interval,
    mean_sd,
    paired_difference,
    stretch,
)
from equimorph.evaluation.summary import correct_by_seed

BySeed = Mapping[int, Predictions]


def sweep_measures(
    predicted: Mapping[str, Mapping[str, BySeed]],
    levels: Sequence[tuple[float, str]],
    logarithmic: bool,
    reference: str,
    draws: int,
    seed: int,
) -> dict[str, Any]:
    """Return the measures of one sweep, ready for JSON.

    Args:
        predicted: predictions of each network, condition and seed.
        levels: value and condition of each level.
        logarithmic: whether areas are those over the logarithm of the values.
        reference: the network whose area the others' are compared with.
        draws: bootstrap resamples.
        seed: their seed, the same for all networks and levels.

    Returns:
        `values` in ascending order; `networks`: by name and metric a list of {mean, sd, ci95} along
        them, and `area` {mean, ci95}; `comparisons` of areas with the reference.
    """
    ordered = sorted(levels)
    values = [value for value, _ in ordered]
    curves = {
        name: [by_condition[condition] for _, condition in ordered]
        for name, by_condition in predicted.items()
    }
    areas = {name: area_by_image(values, curve, logarithmic) for name, curve in curves.items()}
    return {
        "values": values,
        "networks": {
            name: {
                **{
                    metric: [_measured(metric, by_seed, draws, seed) for by_seed in curve]
                    for metric in WEIGHTED
                },
                "area": {
                    "mean": float(areas[name].mean()),
                    "ci95": bootstrap_interval([areas[name]], draws, np.random.default_rng(seed)),
                },
            }
            for name, curve in curves.items()
        },
        "comparisons": [
            {
                "a": name,
                "b": reference,
                **paired_difference(own, areas[reference], draws, np.random.default_rng(seed)),
            }
            for name, own in areas.items()
            if name != reference and reference in areas
        ],
    }


def area_by_image(
    values: Sequence[float], curve: Sequence[BySeed], logarithmic: bool = False
) -> NDArray[np.float64]:
    """Return each image's part of the area under the curve of accuracy, (seeds, n).

    The area is that of the trapezoids between levels, divided by the range of the values: 1 for a
    network that is always right. It is linear in the answers, so it is a mean over images. Where
    each level is some times the one before, as exposures are, values would give the first step
    most of the area; their logarithms give equal ratios equal parts.
    """
    points = np.log(values) if logarithmic else np.asarray(values, float)
    gaps = np.diff(points)
    weights = np.concatenate([[0], gaps]) / 2 + np.concatenate([gaps, [0]]) / 2
    right = np.stack([correct_by_seed(dict(by_seed)) for by_seed in curve])
    return np.tensordot(weights / (points[-1] - points[0]), right.astype(float), axes=1)


def _measured(metric: str, by_seed: BySeed, draws: int, seed: int) -> dict[str, Any]:
    """Return mean and standard deviation over seeds of a metric, and its 95 % interval."""
    probability = [probabilities(one.logits) for one in by_seed.values()]
    label = next(iter(by_seed.values())).label
    values = [METRICS[metric].of(each, label) for each in probability]
    found = mean_sd(values)
    if metric == "accuracy":
        right = correct_by_seed(dict(by_seed))
        bounds = bootstrap_interval([right], draws, np.random.default_rng(seed))
    else:
        bounds = _interval(metric, values, probability, label, draws, seed)
    return {"mean": found["mean"], "sd": found["sd"], "ci95": bounds}


def _interval(
    metric: str,
    values: Sequence[float],
    probability: Sequence[NDArray],
    label: NDArray,
    draws: int,
    seed: int,
) -> list[float]:
    """Return the interval of the mean of a metric's values by seed: images and seeds resampled."""
    generator = np.random.default_rng(seed)
    images = generator.multinomial(len(label), np.full(len(label), 1 / len(label)), draws)
    resampled = np.stack([WEIGHTED[metric](each, label, images) for each in probability])
    resampled += stretch(np.array(values))[:, None]
    seeds = generator.integers(len(probability), size=(len(probability), draws))
    means = np.take_along_axis(resampled, seeds, axis=0).mean(axis=0)
    return reflected_interval(float(np.mean(values)), means)


def table(measures: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return a row per sweep, network and level, and one of the area, whose level is empty."""
    rows = []
    for sweep, measured in measures.items():
        for name, network in measured["networks"].items():
            for number, value in enumerate(measured["values"]):
                row = {"sweep": sweep, "model": name, "value": value}
                for metric in WEIGHTED:
                    found = network[metric][number]
                    row |= {
                        metric: found["mean"],
                        f"{metric}_low": found["ci95"][0],
                        f"{metric}_high": found["ci95"][1],
                    }
                rows.append(row)
            low, high = network["area"]["ci95"]
            area = {"area": network["area"]["mean"], "area_low": low, "area_high": high}
            rows.append({"sweep": sweep, "model": name, "value": None, **area})
    return rows
