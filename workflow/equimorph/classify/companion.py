"""What lies beside a checkpoint, so that anybody can use it: one safetensors file.

The checkpoint is the training's own result. The companion holds what was found out afterwards, on
the study's training and validation images: the temperature, where usual images lie, the training
images' embeddings, and the network as a list of plain layers, which runs without escnn.
"""

import json
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save

from equimorph.classify.neighbours import TrainingImages
from equimorph.classify.outliers import REASONS, Outliers
from equimorph.errors import InputError
from equimorph.io import atomic_path
from equimorph.models.plain import Layer, Tensors

FORMAT = "equimorph-companion-2"
MODEL, COMPANION = "model.safetensors", "companion.safetensors"
LONGEST_TEXT = 2000
_LAYERS, _OUTLIERS, _TRAINING = "layers.", "outliers.", "training."


@dataclass(frozen=True)
class Companion:
    """What is known of a trained network beside its weights.

    Attributes:
        model_sha256: digest of the checkpoint that this belongs to.
        temperature: what the logits are divided by; fitted on the validation images.
        validation: what those images say: `images`, and `nll` and `ece` `before` and `after`.
        credit: whom to thank for the training images.
        layers: the network as `models.plain` has it, None where it has no such list.
        tensors: the weights of the layers.
        outliers: where usual images lie, None where there were too few to tell.
        training: the training images, None where they are left out.
    """

    model_sha256: str
    temperature: float
    validation: dict[str, Any]
    credit: str
    layers: list[Layer] | None
    tensors: Tensors
    outliers: Outliers | None
    training: TrainingImages | None


def save_companion(path: str | Path, companion: Companion) -> None:
    """Write a companion, atomically; equal content gives equal bytes."""
    tensors = {f"{_LAYERS}{name}": tensor for name, tensor in companion.tensors.items()}
    parts = ((_OUTLIERS, companion.outliers), (_TRAINING, companion.training))
    for prefix, part in parts:
        if part is not None:
            arrays = {one.name: np.array(getattr(part, one.name)) for one in fields(part)}
            tensors |= {f"{prefix}{name}": torch.from_numpy(a) for name, a in arrays.items()}
    kept = ("model_sha256", "temperature", "validation", "credit", "layers")
    header = json.dumps({key: getattr(companion, key) for key in kept}, sort_keys=True)
    ordered = {name: tensors[name].contiguous() for name in sorted(tensors)}
    with atomic_path(path) as temporary:
        # Not save_file, whose files nobody else may read.
        temporary.write_bytes(save(ordered, metadata={FORMAT: header}))


def load_companion(path: str | Path, classes: int) -> Companion:
    """Read a companion; whatever it says is checked, since anybody may send one.

    Args:
        path: the file.
        classes: number of classes of its network.

    Raises:
        InputError: the file is missing, damaged or no companion.
    """
    try:
        with safe_open(path, framework="pt") as file:
            header = (file.metadata() or {}).get(FORMAT)
            tensors = {name: file.get_tensor(name) for name in file.offset_keys()} if header else {}
    except (OSError, SafetensorError, RuntimeError) as error:
        raise InputError(f"{path}: not a readable safetensors file ({error}).") from error
    if header is None:
        raise InputError(f"{path}: not a companion of a model (format {FORMAT} is expected).")
    try:
        said = _header(header)
        weights = {
            name.removeprefix(_LAYERS): tensor
            for name, tensor in tensors.items()
            if name.startswith(_LAYERS)
        }
        outliers, training = _arrays(tensors, _OUTLIERS), _arrays(tensors, _TRAINING)
        return Companion(
            **said,
            tensors=weights,
            outliers=_outliers(outliers) if outliers else None,
            training=_training(training, classes) if training else None,
        )
    except InputError as error:
        raise InputError(f"{path}: {error}") from error
    except (IndexError, KeyError, TypeError, ValueError) as error:
        raise InputError(f"{path}: an array is not as it must be ({error}).") from error


def _header(text: str) -> dict[str, Any]:
    try:
        said = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise InputError(f"its header is damaged ({error}).") from error
    keys = {"model_sha256", "temperature", "validation", "credit", "layers"}
    _need(isinstance(said, dict) and said.keys() == keys, "its header", f"the keys {sorted(keys)}")
    temperature, credit = said["temperature"], said["credit"]
    number = isinstance(temperature, int | float) and not isinstance(temperature, bool)
    _need(number and 0 < temperature < 1e6, "temperature", "a number above 0")
    _need(isinstance(credit, str) and len(credit) <= LONGEST_TEXT, "credit", "a short text")
    _need(isinstance(said["model_sha256"], str), "model_sha256", "a digest")
    _need(isinstance(said["validation"], dict), "validation", "keys with values")
    return said


def _arrays(tensors: Tensors, prefix: str) -> dict[str, np.ndarray]:
    return {
        name.removeprefix(prefix): tensor.numpy()
        for name, tensor in tensors.items()
        if name.startswith(prefix) and tensor.dtype != torch.bfloat16
    }


def _outliers(arrays: dict[str, np.ndarray]) -> Outliers:
    k, units = len(arrays.get("mean", ())), len(arrays.get("hidden_bias", ()))
    reasons = len(REASONS)
    shapes: dict[str, tuple[int, ...]] = {
        "mean": (k,),
        "whitening": (k, k),
        "hidden": (k, units),
        "hidden_bias": (units,),
        "output": (units, reasons),
        "output_bias": (reasons,),
        "typical": (reasons,),
        "limits": (reasons,),
    }
    _check(_OUTLIERS, arrays, shapes, {name: np.dtype(np.float64) for name in shapes})
    _need((arrays["limits"] > arrays["typical"]).all(), "outliers.limits", "above the typical")
    return Outliers(**arrays)


def _training(arrays: dict[str, np.ndarray], classes: int) -> TrainingImages:
    n = len(arrays.get("index", ()))
    found = arrays.get("embeddings", np.empty((0, 0)))
    shapes: dict[str, tuple[int, ...]] = {
        name: (n,) for name in ("index", "label", "ra", "dec")
    } | {"embeddings": (n, found.shape[-1])}
    kinds = {"embeddings": "f2", "index": "i4", "label": "u1", "ra": "f8", "dec": "f8"}
    _check(_TRAINING, arrays, shapes, {name: np.dtype(kind) for name, kind in kinds.items()})
    _need(n > 0 and arrays["label"].max() < classes, "training.label", "classes of the network")
    return TrainingImages(**arrays)


def _check(
    prefix: str,
    arrays: dict[str, np.ndarray],
    shapes: dict[str, tuple[int, ...]],
    kinds: dict[str, np.dtype],
) -> None:
    """Check names, shapes and kinds of arrays; positions alone may be unknown, NaN."""
    _need(arrays.keys() == shapes.keys(), prefix.rstrip("."), f"the arrays {sorted(shapes)}")
    for name, array in arrays.items():
        fits = array.shape == shapes[name] and array.dtype == kinds[name]
        _need(fits, f"{prefix}{name}", f"{kinds[name]} of shape {shapes[name]}")
        known = name in ("ra", "dec") or np.isfinite(array).all()
        _need(bool(known), f"{prefix}{name}", "finite")


def _need(holds: Any, key: str, allowed: str) -> None:
    if not holds:
        raise InputError(f"{key}: is not allowed; it must be {allowed}.")
