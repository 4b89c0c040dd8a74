"""Precision, allowed forms and reused memory of steerable convolutions."""

import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar

import torch

EXPANDED_ONLY = ContextVar("expanded only", default=False)


@contextmanager
def expanded_only() -> Iterator[None]:
    """Make convolutions of method `auto` run densely inside the block."""
    token = EXPANDED_ONLY.set(True)
    try:
        yield
    finally:
        EXPANDED_ONLY.reset(token)


def computing_dtype(tensor: torch.Tensor) -> torch.dtype:
    """Return the type in which a convolution of `tensor` computes, which autocast may change."""
    if tensor.dtype == torch.float64 or not is_autocast(tensor):
        return tensor.dtype
    return torch.get_autocast_dtype(tensor.device.type)


def is_autocast(tensor: torch.Tensor) -> bool:
    """Tell whether autocast is on for a tensor's device; torch has none for `meta`, and raises."""
    device = tensor.device.type
    return device != "meta" and torch.is_autocast_enabled(device)


class Scratch(threading.local):
    """Buffers that are reused: fresh memory pages cost more than the arithmetic on them."""

    def __init__(self) -> None:
        self.buffers: dict[tuple, torch.Tensor] = {}

    def take(self, name: object, shape: Sequence[int], like: torch.Tensor) -> torch.Tensor:
        """Return an uninitialised tensor; the next call with the same name reuses its memory."""
        count = torch.Size(shape).numel()
        key = name, like.dtype, like.device
        if key not in self.buffers or self.buffers[key].numel() < count:
            # A tensor made in inference mode could not be written to outside of it.
            with torch.inference_mode(False):
                self.buffers[key] = torch.empty(count, dtype=like.dtype, device=like.device)
        return self.buffers[key][:count].view(shape)


scratch = Scratch()
