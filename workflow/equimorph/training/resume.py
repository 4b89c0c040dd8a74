"""The state of an unfinished training, for the next run of the same job."""

import pickle
import warnings
from pathlib import Path
from typing import Any

import torch

from equimorph.io import atomic_path


def save_state(path: str | Path, digest: str, state: dict[str, Any]) -> None:
    """Write `state` atomically, marked with the digest of config, split and sources."""
    with atomic_path(path) as temporary:
        torch.save({"digest": digest, "state": state}, temporary)


def load_state(path: str | Path, digest: str) -> dict[str, Any] | None:
    """Return the saved state, or None where there is none that belongs to this very job.

    A damaged file, or one from another config or other sources, is ignored with a warning.
    """
    if not Path(path).exists():
        return None
    try:
        saved = torch.load(path, map_location="cpu", weights_only=True)
        matches = saved["digest"] == digest
    except (OSError, RuntimeError, EOFError, KeyError, TypeError, pickle.UnpicklingError) as error:
        warnings.warn(f"{path}: not readable, training starts anew ({error}).", stacklevel=2)
        return None
    if not matches:
        warnings.warn(f"{path}: of another config, training starts anew.", stacklevel=2)
        return None
    return saved["state"]
