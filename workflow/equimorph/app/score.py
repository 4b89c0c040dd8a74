"""Score trained models on a labelled folder of images that they have never seen."""

import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np

from equimorph.data.images import import_images
from equimorph.errors import InputError
from equimorph.evaluation.predictions import Predictions
from equimorph.evaluation.summary import summarise_condition
from equimorph.io import read_json
from equimorph.models.prediction import predict_logits
from equimorph.models.trained import load_checkpoint


def chosen_model(study: str | Path) -> str:
    """Return the study's best equivariant model, chosen on its validation set.

    Raises:
        InputError: the study has no results, or no equivariant model.
    """
    metrics = Path(study, "metrics.json")
    if not metrics.is_file():
        raise InputError(f"{metrics}: there is no such file; run the study first (make results).")
    try:
        name = read_json(metrics)["validation_choice"]["best_equivariant"]
    except (KeyError, TypeError):
        name = ""
    if isinstance(name, str) and name:
        return name
    why = "the study has no equivariant model to choose"
    if name is not None:
        why = "the key validation_choice.best_equivariant holds no name"
    raise InputError(
        f"{metrics}: {why}; name one with --model: allowed are {_listed(trained_models(study))}."
    )


def trained_models(study: str | Path) -> dict[str, dict[int, Path]]:
    """Return the study's weights by model and seed."""
    found: dict[str, dict[int, Path]] = {}
    for file in sorted(Path(study, "models").glob("*/seed-*/model.safetensors")):
        if seed := re.fullmatch(r"seed-([0-9]{1,20})", file.parent.name):
            found.setdefault(file.parent.parent.name, {})[int(seed[1])] = file
    return {model: dict(sorted(files.items())) for model, files in found.items()}


def model_files(study: str | Path, model: str) -> dict[int, Path]:
    """Return the weights of a model by seed.

    Raises:
        InputError: there are none; the message names the models that there are.
    """
    models = trained_models(study)
    if model not in models:
        raise InputError(
            f"{Path(study, 'models')}: no model {model!r}; there are {_listed(models)}."
        )
    return models[model]


def _listed(names: Iterable[str]) -> str:
    return ", ".join(names) or "none"


def score(
    files: dict[int, Path],
    folder: str | Path,
    draws: int,
    seed: int,
    pixel_scale: float | None = None,
) -> dict[str, Any]:
    """Predict every image of a folder with each seed's network and summarise.

    Args:
        files: weights by seed, all of one model.
        folder: holds the images and manifest.csv, labelled with the model's classes.
        draws: bootstrap resamples of the images and seeds.
        seed: seed of the resampling.
        pixel_scale: arcsec per pixel of the images; None where they show the field that the
            training images show.

    Returns:
        What `summarise_condition` returns, and `classes`, `images`, `seeds`.

    Raises:
        InputError: the seeds' networks are not alike, or the images do not suit them.
    """
    checkpoints = {key: load_checkpoint(path) for key, path in files.items()}
    first, *others = checkpoints.values()
    for path, other in zip([*files.values()][1:], others, strict=True):
        if not first.is_like(other):
            raise InputError(
                f"{path}: its network, classes or preparation of images is not that of "
                f"{next(iter(files.values()))}; allowed are seeds of one training."
            )
    classes = first.classes
    raw = import_images(folder, classes)
    inputs = first.prepare(raw.images, pixel_scale)
    index, label = np.arange(len(raw.labels)), np.asarray(raw.labels, dtype=np.int64)
    predictions = {}
    for key, checkpoint in checkpoints.items():
        logits = predict_logits(checkpoint.network, *inputs)
        if not logits.isfinite().all():
            raise InputError(f"{files[key]}: its weights are damaged (logits are not finite).")
        predictions[key] = Predictions(index, label, logits.numpy())
    summary = summarise_condition(predictions, classes, draws, np.random.default_rng(seed))
    return {"images": len(label), "seeds": list(files), "classes": classes, **summary}


def as_text(model: str, result: dict[str, Any]) -> str:
    """Return the result as a short text: accuracy, interval, confusion matrix."""
    accuracy, classes = result["accuracy"], result["classes"]
    low, high = accuracy["ci95"]
    spread = "" if accuracy["sd"] is None else f", sd over seeds {accuracy['sd']:.3f}"
    over = "images" if accuracy["n"] == 1 else "images and seeds"
    width = max(map(len, classes))
    lines = [
        f"{model}, {len(result['seeds'])} seeds, {result['images']} images",
        f"accuracy {accuracy['mean']:.3f}{spread}, 95 % interval over {over} "
        f"{low:.3f} to {high:.3f}; chance {1 / len(classes):.2f}",
        f"macro-F1 {result['macro_f1']['mean']:.3f}",
        "",
        "Rows: true class; columns: predicted class in the same order; summed over seeds.",
        " " * width + "".join(f"{column:6d}" for column in range(len(classes))),
    ]
    for name, row in zip(classes, result["confusion"], strict=True):
        lines.append(f"{name:<{width}}" + "".join(f"{count:6d}" for count in row))
    return "\n".join(lines)
