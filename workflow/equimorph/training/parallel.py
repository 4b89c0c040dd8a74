"""Training in several processes that share each batch, as `torchrun` starts them.

Every process holds all images, draws the same random numbers for the whole batch, and trains on its
share. Gradients and batch statistics are those of the whole batch, so that the numbers are those of
one process up to rounding. The network is not wrapped in DistributedDataParallel: averaging the
gradients once after the backward pass needs no hooks, leaves names and buffers as they are, and
moves a few megabytes per step. Averages over shares are averages over the batch because all shares
are equally large.

Rounding is all that moves a weight that the training loss does not depend on, such as a bias before
batch norm. An optimiser that divides by the gradient's size, such as Adam, makes whole steps of it:
the training loss stays the same to 1e-6; the validation loss, which depends on that bias through
the running mean, may differ by some 1e-4.
"""

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
import torch.distributed as dist
from torch import nn
from torch.nn.functional import batch_norm

from equimorph.errors import InputError, TrainingError

# Layers that draw random numbers row by row; by name, because escnn and timm have their own.
RANDOM_LAYERS = ("Dropout", "Dropout2d", "FieldDropout", "PointwiseDropout", "DropPath")


@dataclass(frozen=True)
class Processes:
    """The processes of one training; with a single one, no method changes anything.

    Attributes:
        rank: number of this process, counted from 0.
        world_size: number of processes.
    """

    rank: int = 0
    world_size: int = 1

    @property
    def is_first(self) -> bool:
        """Whether this is the process that reads and writes files and reports."""
        return self.rank == 0

    def share(self, batch_size: int) -> slice:
        """Return the rows of a batch that this process trains on.

        Raises:
            InputError: the shares would not be equally large.
        """
        if batch_size % self.world_size:
            raise InputError(
                f"train.batch_size {batch_size}: {self.world_size} processes share each batch; "
                f"allowed are multiples of {self.world_size}."
            )
        size = batch_size // self.world_size
        return slice(self.rank * size, (self.rank + 1) * size)

    def synchronise(self, network: nn.Module) -> None:
        """Change the network in place so that in training mode it sees the whole batch.

        Batch norm takes the statistics of all shares; dropout draws for all of them.
        """
        if self.world_size == 1:
            return
        for module in list(network.modules()):
            if isinstance(module, nn.modules.batchnorm._BatchNorm):
                module.__class__ = SynchronisedBatchNorm
            elif hasattr(module, "running_mean"):  # a norm of our own: rare, hence the simple way
                _run_on_whole_batch(module, self, partial(_Gathered.apply, self))
            elif type(module).__name__ in RANDOM_LAYERS:
                # The values of the other rows do not matter, only the random numbers drawn for
                # them.
                _run_on_whole_batch(module, self, self._among_zeros)

    def average_gradients(self, network: nn.Module) -> None:
        """Replace each gradient by its mean over the processes."""
        if self.world_size == 1:
            return
        gradients = [p.grad for p in network.parameters() if p.grad is not None]
        flat = torch.cat([gradient.flatten() for gradient in gradients])  # one message, not many
        dist.all_reduce(flat)
        means = (flat / self.world_size).split([gradient.numel() for gradient in gradients])
        for gradient, mean in zip(gradients, means, strict=True):
            gradient.copy_(mean.view_as(gradient))

    def total(self, value: torch.Tensor) -> torch.Tensor:
        """Return the sum of a value over the processes."""
        if self.world_size > 1:
            dist.all_reduce(value)
        return value

    def map_rows(self, function: Callable[..., torch.Tensor], *rows: torch.Tensor) -> torch.Tensor:
        """Apply a function that works row by row; each process does a part of the rows."""
        if self.world_size == 1:
            return function(*rows)
        count = len(rows[0])
        size = -(-count // self.world_size)
        mine = torch.arange(self.rank * size, (self.rank + 1) * size) % count
        return torch.cat(_every(function(*(each[mine.to(each.device)] for each in rows))))[:count]

    def from_first(self, make: Callable[[], Any]) -> Any:
        """Return the first process's result in every process."""
        if self.world_size == 1:
            return make()
        box = [make() if self.is_first else None]
        dist.broadcast_object_list(box)
        return box[0]

    def _among_zeros(self, share: torch.Tensor) -> torch.Tensor:
        whole = share.new_zeros(self.world_size * len(share), *share.shape[1:])
        whole[self.share(len(whole))] = share
        return whole


ALONE = Processes()


@contextmanager
def join(device: torch.device) -> Iterator[Processes]:
    """Join the processes that `torchrun` started; without torchrun there is only this one.

    Args:
        device: device of the training; on GPUs, each process of a machine takes one of its own.

    Raises:
        InputError: there are fewer GPUs than processes.
        TrainingError: another process has failed.
    """
    count = int(os.environ["WORLD_SIZE"]) if "TORCHELASTIC_RUN_ID" in os.environ else 1
    if count == 1:
        yield ALONE
        return
    if device.type == "cuda":
        local, gpus = int(os.environ["LOCAL_WORLD_SIZE"]), torch.cuda.device_count()
        if local > gpus:
            raise InputError(f"torchrun: {local} processes for {gpus} GPUs; allowed is 1 for each.")
        torch.cuda.set_device(int(os.environ["LOCAL_RANK"]))
    dist.init_process_group("nccl" if device.type == "cuda" else "gloo")
    try:
        yield Processes(dist.get_rank(), count)
    except RuntimeError as error:
        if not _tells_of_a_lost_peer(error):
            raise
        raise TrainingError("another process of this training ended; see its message.") from error
    # Not after an error: the other processes might never answer; torchrun ends them.
    dist.destroy_process_group()


class SynchronisedBatchNorm(nn.modules.batchnorm._BatchNorm):
    """Batch norm of any dimension, with statistics over all processes.

    torch's own SyncBatchNorm runs on GPUs alone. escnn's InnerBatchNorm needs no more than this: it
    hands its fields, as a batch of maps, to a BatchNorm3d.
    """

    def _check_input_dim(self, input: torch.Tensor) -> None:
        pass  # the class that this one replaces could be of any dimension

    def forward(self, input: torch.Tensor) -> torch.Tensor:
        """Normalise (B, C, ...)."""
        if not self.training:
            return super().forward(input)
        output, mean, variance = _Normalised.apply(input, self.weight, self.bias, self.eps)
        if self.track_running_stats:
            self._follow(mean, variance, dist.get_world_size() * input.numel() // len(mean))
        return output

    @torch.no_grad()
    def _follow(self, mean: torch.Tensor, variance: torch.Tensor, values: int) -> None:
        assert self.num_batches_tracked is not None  # as the other two: they are tracked
        assert self.running_mean is not None and self.running_var is not None
        self.num_batches_tracked += 1
        momentum = self.momentum
        if momentum is None:
            momentum = 1 / float(self.num_batches_tracked)
        self.running_mean.lerp_(mean, momentum)
        self.running_var.lerp_(variance * values / (values - 1), momentum)


class _Normalised(torch.autograd.Function):
    """Batch norm over all shares, which stores as little for the backward pass as torch's."""

    @staticmethod
    def forward(
        ctx: Any,
        input: torch.Tensor,
        weight: torch.Tensor | None,
        bias: torch.Tensor | None,
        eps: float,
    ) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        ctx.axes = [0, *range(2, input.ndim)]
        # Half precision has too few digits for the statistics.
        variance, mean = torch.var_mean(input.float(), ctx.axes, correction=0)
        shares = torch.stack(_every(torch.stack([mean, variance])))
        mean = shares[:, 0].mean(0)
        # Not as mean of squares less squared mean, which would cancel.
        variance = shares[:, 1].mean(0) + shares[:, 0].var(0, correction=0)
        ctx.save_for_backward(input, weight, mean, (variance + eps).rsqrt())
        ctx.mark_non_differentiable(mean, variance)
        return batch_norm(input, mean, variance, weight, bias, eps=eps), mean, variance

    @staticmethod
    def backward(ctx: Any, gradient: torch.Tensor, *_: Any) -> tuple[torch.Tensor | None, ...]:
        input, weight, mean, inverse = ctx.saved_tensors
        shape = [1, -1, *[1] * (input.ndim - 2)]
        gradient = gradient.float()
        normal = (input.float() - mean.view(shape)) * inverse.view(shape)
        sums = torch.stack([gradient.sum(ctx.axes), (gradient * normal).sum(ctx.axes)])
        whole = sums.clone()
        dist.all_reduce(whole)
        means = whole / (dist.get_world_size() * gradient.numel() / len(mean))
        scale = inverse if weight is None else inverse * weight
        on_input = gradient - means[0].view(shape) - normal * means[1].view(shape)
        on_input = (on_input * scale.view(shape)).to(input.dtype)
        on_weight, on_bias = (None, None) if weight is None else (sums[1], sums[0])
        return on_input, on_weight, on_bias, None


class _Gathered(torch.autograd.Function):
    """The whole batch in every process; the gradient of a share is the sum over the processes."""

    @staticmethod
    def forward(ctx: Any, processes: Processes, share: torch.Tensor) -> torch.Tensor:
        ctx.processes = processes
        return torch.cat(_every(share))

    @staticmethod
    def backward(ctx: Any, gradient: torch.Tensor) -> tuple[None, torch.Tensor]:
        whole = gradient.clone(memory_format=torch.contiguous_format)
        dist.all_reduce(whole)
        return None, whole[ctx.processes.share(len(whole))]


def _run_on_whole_batch(
    module: nn.Module, processes: Processes, widen: Callable[[torch.Tensor], torch.Tensor]
) -> None:
    """In training mode, widen a layer's input to the whole batch, and return its share."""

    def before(module: nn.Module, inputs: tuple) -> Any:
        return _on_tensor(widen, inputs[0]) if module.training else None

    def after(module: nn.Module, inputs: tuple, output: Any) -> Any:
        if not module.training:
            return None
        return _on_tensor(lambda whole: whole[processes.share(len(whole))], output)

    module.register_forward_pre_hook(before)
    module.register_forward_hook(after)


def _on_tensor(function: Callable[[torch.Tensor], torch.Tensor], value: Any) -> Any:
    """Apply a function to a tensor, or to that of escnn's GeometricTensor."""
    if isinstance(value, torch.Tensor):
        return function(value)
    return type(value)(function(value.tensor), value.type)


def _every(tensor: torch.Tensor) -> list[torch.Tensor]:
    """Return each process's tensor, all of one shape, in the order of the ranks."""
    tensor = tensor.contiguous()
    tensors = [torch.empty_like(tensor) for _ in range(dist.get_world_size())]
    dist.all_gather(tensors, tensor)
    return tensors


def _tells_of_a_lost_peer(error: RuntimeError) -> bool:
    # gloo raises plain RuntimeErrors.
    return isinstance(error, dist.DistError) or "by peer" in str(error)
