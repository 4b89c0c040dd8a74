"""Count what a network costs: trainable parameters, multiply-adds, memory for activations."""

import weakref
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import nn
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves
from torch.utils.flop_counter import FlopCounterMode

from equimorph.models.inputs import black_inputs
from equimorph.steerable.chosen_forms import spared_macs
from equimorph.steerable.context import expanded_only, scratch

# Images at a time for which it is decided which steerable convolutions run sparse.
TRAINING_BATCH = 64


def count_parameters(network: nn.Module) -> int:
    """Return the number of trainable parameters."""
    return sum(p.numel() for p in network.parameters() if p.requires_grad)


def count_macs(network: nn.Module, input_size: int) -> int:
    """Multiply-adds of all convolutions and matrix products for one image, in evaluation mode.

    A steerable convolution counts as the dense one that it expands to (the expansion is done once
    and left out), also where it runs in the irrep basis with fewer; blurred pooling as the
    convolution that it is, attention with the products of queries, keys and values.

    Args:
        network: takes (B, 3, input_size, input_size).
        input_size: side of the images in px.
    """
    image = black_inputs(network, 1, input_size)
    counter = FlopCounterMode(display=False)
    with (
        _in_mode(network, training=False),
        torch.no_grad(),
        _plain_attention(),
        expanded_only(),
    ):
        network(*image)  # now filters are expanded
        with counter:
            network(*image)
    return counter.get_total_flops() // 2


def count_executed_macs(network: nn.Module, input_size: int) -> int:
    """Multiply-adds that a CPU really executes for one image, in a training's forward pass.

    As `count_macs`, but steerable convolutions count in the form that they take there, in float32
    and batches of `TRAINING_BATCH`.

    Args:
        network: takes (B, 3, input_size, input_size).
        input_size: side of the images in px.
    """
    spared = spared_macs(network, black_inputs(network, 1, input_size), TRAINING_BATCH)
    return count_macs(network, input_size) - spared


def peak_activation_memory(
    network: nn.Module, input_size: int, batch: int = 1, *, training: bool
) -> int:
    """Most bytes held at once by tensors that one step makes.

    They are activations, in a training step kept for the backward pass and joined there by their
    own gradients, the filters that steerable convolutions expand in every training step, and
    temporary results. Left out are what outlasts the step (weights, running statistics, the filters
    of evaluation mode, gradients of weights, the optimiser's state), the images, and what a kernel
    takes inside one operation. The numbers are those of the device that the network is on.

    Args:
        network: takes (B, 3, input_size, input_size); its running statistics stay as they are.
        input_size: side of the images in px.
        batch: images per step, at least 2 in training: batch norm needs several.
        training: a forward and a backward pass, instead of a forward pass without gradients.
    """
    scratch.buffers.clear()  # memory that sparse convolutions keep counts from the first one on
    images, *beside = black_inputs(network, batch, input_size)
    images.requires_grad_(training)
    with _in_mode(network, training), _unchanged(network):
        live = _LiveBytes([images, *beside, *network.parameters(), *network.buffers()])
        if not training:
            with torch.no_grad():
                network(images, *beside)  # now filters are expanded
        with torch.set_grad_enabled(training), live:
            logits = network(images, *beside)
            if training:
                # Of the images alone: this makes the gradients of all activations, of no weight.
                torch.autograd.grad(logits.sum(), images)
    return live.peak


class _LiveBytes(TorchDispatchMode):
    """Counts the bytes of all tensors made inside the block."""

    def __init__(self, given: list[torch.Tensor]):
        super().__init__()
        self.live = {tensor.untyped_storage()._cdata for tensor in given}
        self.now = self.peak = 0

    def __torch_dispatch__(
        self, function: Any, types: Any, args: tuple = (), kwargs: dict | None = None
    ) -> Any:
        result = function(*args, **(kwargs or {}))
        for tensor in tree_leaves(result):
            if isinstance(tensor, torch.Tensor):
                self._follow(tensor.untyped_storage())
        return result

    def _follow(self, storage: torch.UntypedStorage) -> None:
        address = storage._cdata
        if address in self.live:
            return
        self.live.add(address)
        self.now += storage.nbytes()
        self.peak = max(self.peak, self.now)
        weakref.finalize(storage, self._release, address, storage.nbytes())

    def _release(self, address: int, size: int) -> None:
        self.live.discard(address)
        self.now -= size


@contextmanager
def _in_mode(network: nn.Module, training: bool) -> Iterator[None]:
    """Put the network into a mode inside the block; afterwards into the one that it had."""
    was_training = network.training
    network.train(training)
    try:
        yield
    finally:
        network.train(was_training)


@contextmanager
def _unchanged(network: nn.Module) -> Iterator[None]:
    """Put buffers and torch's random state, which dropout draws from, back where they were."""
    kept = [(buffer, buffer.clone()) for buffer in network.buffers()]
    cuda = {buffer.device for buffer, _ in kept if buffer.is_cuda}
    with torch.random.fork_rng(devices=cuda):
        yield
    for buffer, value in kept:
        buffer.copy_(value)


@contextmanager
def _plain_attention() -> Iterator[None]:
    """Let attention be computed by matrix products: its fused kernels hide from the counter."""
    fast = torch.backends.mha.get_fastpath_enabled()
    torch.backends.mha.set_fastpath_enabled(False)
    try:
        with sdpa_kernel(SDPBackend.MATH):
            yield
    finally:
        torch.backends.mha.set_fastpath_enabled(fast)
