"""The model card of a study's classifier: what it was trained on, how good it is, and its limits.

After Mitchell et al. 2019, Model Cards for Model Reporting.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from equimorph.analyses.intervals import reflected_interval
from equimorph.evaluation.metrics import expected_calibration_error
from equimorph.evaluation.temperature import calibrated
from equimorph.report.wording import decimal, interval, percent, si

WEAKEST = 3  # classes that are named


def model_card(
    study: str,
    run: dict[str, Any],
    conditions: dict[str, Any],
    split: dict[str, Any],
    companion: dict[str, Any],
    logits: NDArray,
    labels: NDArray,
    draws: int,
    seed: int,
) -> str:
    """Return the card, Markdown.

    Args:
        study: its name.
        run: run.json of the training.
        conditions: the model's conditions in metrics.json, over all seeds.
        split: of metrics.json.
        companion: `temperature`, `validation` and `credit` of the companion.
        logits: (N, C) of the clean test images.
        labels: (N,) their classes.
        draws: bootstrap resamples of the test images.
        seed: what the resamples are drawn from.
    """
    classes = run["classes"]
    own = summary(logits, labels, companion["temperature"], draws, seed)
    recall = {n: own["recall"][n] for n in range(len(classes)) if own["recall"][n] is not None}
    weak = sorted(recall, key=lambda n: recall[n])[:WEAKEST]
    prepared = run["preparation"]
    scale = prepared["pixel_scale"]
    field = "unknown" if scale is None else f"{scale * prepared['side']:.1f} arcsec"
    return "\n".join(
        [
            f"# Model card: {run['model']} of the study {study}",
            "",
            f"- **Network.** {run['architecture']}, group {run['group'] or 'none'}, "
            f"{si(run['parameters'])} parameters, {si(run['macs'])} multiply-adds; seed "
            f"{run['seed']}, the one with the lowest validation loss of its model.",
            f"- **Data.** {run['train_images']} training images; {companion['credit']}. Data "
            f"`{run['data_sha256'][:16]}`, split `{run['split_sha256'][:16]}` "
            f"({split['protocol']}{', leaky' if split['leaky'] else ''}).",
            f"- **Images.** Square, the galaxy in the middle, field {field}, resized to "
            f"{prepared['input_size']} px; colours of z, r, g as the Legacy Surveys stretch them.",
            "",
            f"## On {len(labels)} test images",
            "",
            "| | value | 95 % interval over images |",
            "|---|---|---|",
            f"| accuracy, % | {percent(own['accuracy'][0])} | {interval(own['accuracy'][1])} |",
            f"| ECE | {decimal(own['ece'][0])} | {_bounds(own['ece'][1])} |",
            f"| ECE uncalibrated | {decimal(own['before'][0])} | {_bounds(own['before'][1])} |",
            "",
            "Accuracy of its model under other conditions, %, mean over seeds: "
            + ", ".join(
                f"{name} {percent(one['accuracy']['mean'])}" for name, one in conditions.items()
            )
            + ".",
            "",
            f"Calibrated by the temperature {companion['temperature']:.3f}, fitted on "
            f"{companion['validation']['images']} validation images.",
            "",
            "## Classes",
            "",
            "| class | test images | recall, % | most often taken for |",
            "|---|---|---|---|",
            *_class_rows(classes, own),
            "",
            "## What it is for, and what not",
            "",
            "For sorting and ranking galaxies like the training images. It is weakest on "
            + ", ".join(f"{classes[n]} (recall {percent(recall[n])} %)" for n in weak)
            + ".",
            "",
            "- Every image gets a class, also one that shows no galaxy: heed the warning, which "
            "does not see everything.",
            "- Labels are majority votes, and noisy where people disagree: recall is measured "
            "against them, not against the truth.",
            "- Fractions of classes in another sample need a correction for its class balance.",
            "- It tells nothing of redshift, size or environment.",
            "",
        ]
    )


def summary(
    logits: NDArray, labels: NDArray, temperature: float, draws: int, seed: int
) -> dict[str, Any]:
    """Return accuracy and ECE, before and after calibration, with intervals; recall; confusion."""
    before, after = calibrated(logits, 1.0), calibrated(logits, temperature)
    right = after.argmax(axis=1) == labels
    draw = np.random.default_rng(seed)
    resampled = [draw.integers(0, len(labels), len(labels)) for _ in range(draws)]

    def measured(of: Any) -> tuple[float, list[float]]:
        estimate = float(of(np.arange(len(labels))))
        return estimate, reflected_interval(estimate, np.array([of(rows) for rows in resampled]))

    count = logits.shape[1]
    confusion = np.zeros((count, count), int)
    np.add.at(confusion, (labels, after.argmax(axis=1)), 1)
    images = confusion.sum(axis=1)
    return {
        "accuracy": measured(lambda rows: right[rows].mean()),
        "before": measured(lambda rows: expected_calibration_error(before[rows], labels[rows])),
        "ece": measured(lambda rows: expected_calibration_error(after[rows], labels[rows])),
        "confusion": confusion,
        "recall": [confusion[n, n] / images[n] if images[n] else None for n in range(count)],
    }


def _class_rows(classes: Sequence[str], own: dict[str, Any]) -> list[str]:
    rows = []
    for number, (name, counts) in enumerate(zip(classes, own["confusion"], strict=True)):
        others = np.where(np.arange(len(counts)) == number, -1, counts)
        worst = int(others.argmax())
        taken = f"{classes[worst]} ({others[worst]})" if others[worst] > 0 else "–"
        rows.append(f"| {name} | {counts.sum()} | {percent(own['recall'][number])} | {taken} |")
    return rows


def _bounds(bounds: Sequence[float]) -> str:
    return f"[{decimal(bounds[0])}, {decimal(bounds[1])}]"
