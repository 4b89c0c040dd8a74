"""The state of an unfinished training, for the next run of the same job."""

import io
import warnings
import zipfile
from pathlib import Path
from typing import Any

import torch

from equimorph.errors import InputError
from equimorph.io import atomic_path, remove_leftovers


def save_state(path: str | Path, digest: str, state: dict[str, Any]) -> None:
    """Write `state` atomically, marked with the digest of config, split and sources.

    Raises:
        InputError: the disk is full; the state saved before is still whole.
    """
    # First into memory: when torch writes a file, its error does not name the reason.
    buffer = io.BytesIO()
    torch.save({"digest": digest, "state": state}, buffer)
    try:
        with atomic_path(path) as temporary:
            temporary.write_bytes(buffer.getbuffer())
    except InputError as error:
        kept = "the epoch before is kept" if Path(path).exists() else "no epoch is saved yet"
        raise InputError(f"{error} Of this training, {kept}.") from error


def load_state(path: str | Path, digest: str) -> dict[str, Any] | None:
    """Return the saved state, or None where there is none that belongs to this very job.

    A damaged file, or one from another config or other sources, is ignored with a warning. What a
    killed run left of a state half written is removed.
    """
    remove_leftovers(path)
    if not Path(path).exists():
        return None
    try:
        with zipfile.ZipFile(path) as records:
            if damaged := records.testzip():  # torch does not look at the check sums
                raise ValueError(f"the record {damaged} is damaged")
        saved = torch.load(path, map_location="cpu", weights_only=True)
        matches = saved["digest"] == digest
    except Exception as error:  # damaged bytes can raise anything, and none is a reason to stop
        warnings.warn(f"{path}: not readable, training starts anew ({error}).", stacklevel=2)
        return None
    if not matches:
        warnings.warn(f"{path}: of another config, training starts anew.", stacklevel=2)
        return None
    return saved["state"]
