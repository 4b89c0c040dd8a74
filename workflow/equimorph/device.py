"""Where networks run."""

import resource
import sys

import torch

from equimorph.errors import InputError

DEVICES = ("cpu", "cuda")


def open_device(name: str) -> torch.device:
    """Return the device called `name`.

    Raises:
        InputError: there is no GPU that torch can use.
    """
    if name == "cuda" and not torch.cuda.is_available():
        raise InputError(
            "train.device: cuda is asked for, but torch finds no GPU here; allowed is cpu."
        )
    return torch.device(name)


def peak_memory(device: torch.device) -> int:
    """Return the most memory that this process has held, in bytes: on the GPU, else in RAM."""
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else 1024 * peak
