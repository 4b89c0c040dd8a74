"""Where networks run."""

import resource
import sys
from collections.abc import Iterator
from contextlib import contextmanager

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


@contextmanager
def within_memory(advice: str) -> Iterator[None]:
    """Turn running out of memory inside the block, the GPU's or the machine's, into one sentence.

    Args:
        advice: a sentence that says how to need less memory.

    Raises:
        InputError: there was not enough; the message ends with the advice.
    """
    try:
        yield
    except (MemoryError, RuntimeError) as error:
        gpus = isinstance(error, torch.OutOfMemoryError)
        # On the CPU torch raises a plain RuntimeError.
        if not (gpus or isinstance(error, MemoryError) or "can't allocate memory" in str(error)):
            raise
        kind = "the GPU's" if gpus else "the machine's"
        raise InputError(f"{kind} memory is not enough. {advice}") from error
