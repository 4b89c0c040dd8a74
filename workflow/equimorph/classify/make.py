"""What a trained network's companion holds, measured on the images of its study."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray

from equimorph.classify.companion import Companion
from equimorph.classify.neighbours import TrainingImages
from equimorph.classify.outliers import LEAST_IMAGES, Outliers, fit_outliers, statistics
from equimorph.data.split_file import Split
from equimorph.data.star_filters import SEEING
from equimorph.errors import InputError
from equimorph.evaluation.metrics import expected_calibration_error
from equimorph.evaluation.temperature import (
    calibrated,
    fit_temperature,
    negative_log_likelihood,
)
from equimorph.groups.names import is_group_name, parse_group
from equimorph.models.embedding import predict_embeddings
from equimorph.models.orbit import OrbitAverage
from equimorph.models.plain import Layer, Tensors, plain_layers
from equimorph.models.trained import Checkpoint
from equimorph.progress import progress

BLOCK = 1024  # images in memory at a time
EXAMPLES = 3000  # training images of which frequent mistakes are made


def best_run(
    model: str | None, runs: Mapping[tuple[str, int], dict[str, Any]]
) -> tuple[str, int] | None:
    """Return a model and the seed with its lowest validation loss, None where it has no runs.

    The test set has no part in the choice.

    Args:
        model: its name.
        runs: run.json by model and seed.
    """
    return min(
        (run for run in runs if run[0] == model),
        key=lambda run: (runs[run]["validation_loss"], run[1]),
        default=None,
    )


def make_companion(
    checkpoint: Checkpoint,
    model_sha256: str,
    images: NDArray[np.uint8],
    rows: Split,
    labels: Split,
    catalogue: pd.DataFrame,
    credit: str,
    stars_removed: int | None = None,
    star_filter: str = SEEING,
    seed: int = 0,
) -> Companion:
    """Measure a network on its training and validation images.

    Args:
        checkpoint: the network, on any device.
        model_sha256: digest of its file.
        images: (N, W, W, 3) all images of the data set, may be memory-mapped.
        rows: the rows of `train` and `validation`.
        labels: their classes.
        catalogue: ra, dec and, where it is known, h5_index of every row.
        credit: whom to thank for the images.
        stars_removed: the seed, where their field stars are removed already.
        star_filter: what has removed them then.
        seed: which training images the frequent mistakes are made of.

    Raises:
        InputError: the images do not suit the network.
    """
    removed = {"stars_removed": stars_removed, "star_filter": star_filter}
    measured = {
        part: _measure(checkpoint, images, rows[part], part, removed)
        for part in ("train", "validation")
    }
    logits, truth = measured["validation"].logits, labels["validation"]
    temperature = fit_temperature(logits, truth)
    layers, tensors = _plain(checkpoint)
    place = catalogue.iloc[rows["train"]]
    index = place["h5_index"] if "h5_index" in place else pd.Series(rows["train"])
    return Companion(
        model_sha256=model_sha256,
        temperature=temperature,
        validation=_calibration(logits, truth, temperature),
        credit=credit,
        layers=layers,
        tensors=tensors,
        outliers=_outliers(checkpoint, measured, images, rows["train"], removed, seed),
        training=TrainingImages(
            measured["train"].embeddings.astype(np.float16),
            index.to_numpy().astype(np.int32),
            labels["train"].astype(np.uint8),
            place["ra"].to_numpy(np.float64),
            place["dec"].to_numpy(np.float64),
        ),
    )


class _Measured:
    """Logits, embeddings and statistics of the images of one subset."""

    def __init__(self, parts: list[tuple[torch.Tensor, torch.Tensor, NDArray]]):
        self.logits = torch.cat([part[0] for part in parts]).cpu().numpy()
        self.embeddings = torch.cat([part[1] for part in parts]).cpu().numpy()
        self.statistics = np.concatenate([part[2] for part in parts])


def _measure(
    checkpoint: Checkpoint,
    images: NDArray[np.uint8],
    rows: NDArray,
    title: str,
    removed: dict[str, Any],
) -> _Measured:
    parts = []
    with progress(len(rows), title, "images") as bar:
        for start in range(0, len(rows), BLOCK):
            inputs = checkpoint.prepare(images[rows[start : start + BLOCK]], **removed)
            found = predict_embeddings(checkpoint.network, *inputs)
            parts.append((*found, statistics(inputs[0])))
            bar.update(len(inputs[0]))
    return _Measured(parts)


def _outliers(
    checkpoint: Checkpoint,
    measured: dict[str, _Measured],
    images: NDArray[np.uint8],
    training: NDArray,
    removed: dict[str, Any],
    seed: int,
) -> Outliers | None:
    """Return where usual images lie, None for a study that is too small to tell."""
    known = [part.statistics for part in measured.values()]
    if min(map(len, known)) < LEAST_IMAGES:
        return None
    chosen = np.random.default_rng(seed).permutation(len(training))[:EXAMPLES]
    pixels, *_ = checkpoint.prepare(images[np.sort(training[chosen])], **removed)
    return fit_outliers(known[0], known[1], pixels, seed)


def _plain(checkpoint: Checkpoint) -> tuple[list[Layer] | None, Tensors]:
    """Return the network's list of layers, None where it has none."""
    network = checkpoint.network
    group = checkpoint.metadata["specification"].get("group")
    known = parse_group(group) if group is not None and is_group_name(group) else None
    try:
        inner = network.network if isinstance(network, OrbitAverage) else network
        return plain_layers(inner, known)
    except InputError:
        return None, {}


def _calibration(logits: NDArray, labels: NDArray, temperature: float) -> dict[str, Any]:
    found: dict[str, Any] = {"images": len(labels)}
    for name, value in (("before", 1.0), ("after", temperature)):
        probability = calibrated(logits, value)
        found[name] = {
            "nll": negative_log_likelihood(logits / value, labels),
            "ece": expected_calibration_error(probability, labels),
        }
    return found
