"""Images per second in training and inference: this project's loop against S1's.

PYTHONPATH=workflow python tests/benchmarks/training_loop.py
PYTHONPATH=workflow python tests/benchmarks/training_loop.py --groups D4 --size 65 --batch 4

S1's side is written from what is published (arXiv:2311.01500): escnn's own modules in float32, a
classifier on the flattened map, AdamW, torchvision's transforms on one image at a time in a
DataLoader of one process. Its weights are drawn from escnn's distribution by our vectorised code:
how they were drawn takes a minute and a half for D16, but does not change what a step costs. Ours
is `training.loop.train` and `predict_logits` as they are, on images that were resized once.

Every side is a process of its own, so that its peak memory is its own. They take turns, one
computes at a time, and the fastest turn counts; building, the expansion of filters for inference
and validation (S1 validates every fifth epoch) do not. A share of the peak is the multiply-adds
done per second over those of a large square product in the same precision and the same rounds.
"""

import argparse
import gc
import math
import multiprocessing
import os
import time
from collections.abc import Callable, Iterable
from contextlib import nullcontext
from dataclasses import dataclass, replace
from multiprocessing.connection import Connection
from typing import Any

import numpy as np
import torch
import torchvision
from torch import nn
from torch.nn.functional import cross_entropy
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.data import DataLoader, Dataset
from torch.utils.flop_counter import flop_registry
from torchvision import transforms

from equimorph.device import DEVICES, open_device, peak_memory
from equimorph.groups.escnn import enn
from equimorph.groups.names import parse_group
from equimorph.io import run
from equimorph.models.architectures.gcnn import GCNN
from equimorph.models.head import classifier
from equimorph.models.initialisation import initialise
from equimorph.models.prediction import predict_logits
from equimorph.models.trunk import Trunk, exact_sizes
from equimorph.provenance import hardware, versions
from equimorph.steerable.blurred_pool import SIGMA
from equimorph.steerable.convolution import initialise_steerable, plane
from equimorph.training.augment import Augmentation
from equimorph.training.loop import PRECISIONS, Labelled, train
from equimorph.training.optimisers import Schedule
from equimorph.training.recipe import Recipe

CLASSES = 10
# S1's D16 expands gigabytes of filters, and an image of 255 px takes it 10^12 multiply-adds a step.
BATCHES = {"D4": 16, "D8": 8, "D16": 4}
LEARNING_RATE, WEIGHT_DECAY = 0.01, 1e-4
# S1's transforms as one map: two flips of 0.3 are a reflection (0.42), at times with a half turn.
OURS = Augmentation(rotation=180, flip=0.42, scale=1, shift=0.1, brightness=0)
PRODUCT = {"cpu": 4096, "cuda": 8192}


@dataclass(frozen=True)
class Task:
    """What one process measures.

    Attributes:
        group: of the network; None for the matrix product.
        size: side of the images in px.
        batch: images in a step.
        steps: in a turn.
        threads: of the CPU.
        device: where to compute.
        precision: of `PRECISIONS`.
    """

    group: str | None
    size: int
    batch: int
    steps: int
    threads: int
    device: str
    precision: str = "float32"


@dataclass(frozen=True)
class Turn:
    """What one turn took.

    Attributes:
        seconds: on the wall.
        multiply_adds: of matrix products and convolutions; 0 where they were not counted.
        fixed: those of them that expand filters, whatever the size of the batch.
        memory: the most that the process has held so far, in bytes.
    """

    seconds: float
    multiply_adds: int = 0
    fixed: int = 0
    memory: int = 0


class Counter(TorchDispatchMode):
    """Counts the multiply-adds of matrix products and convolutions.

    FlopCounterMode does so too, but hooks every module, also those without gradients, and fails.
    """

    def __init__(self):
        super().__init__()
        self.convolutions = self.products = 0

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        kwargs = kwargs or {}
        formula = flop_registry.get(func._overloadpacket)
        if formula is None:
            # In inference mode, operations arrive here before they are taken apart.
            with self:
                result = func.decompose(*args, **kwargs)
            return func(*args, **kwargs) if result is NotImplemented else result
        result = func(*args, **kwargs)
        multiply_adds = formula(*args, **kwargs, out_val=result) // 2
        if "convolution" in str(func):
            self.convolutions += multiply_adds
        else:
            self.products += multiply_adds
        return result

    @property
    def total(self) -> int:
        """All multiply-adds so far."""
        return self.convolutions + self.products


class S1Network(nn.Module):
    """S1's network: nothing of it is this project's but the plan of sizes and the classifier."""

    def __init__(self, group: str, size: int):
        """Build it with weights at zero.

        Args:
            group: that acts on the hidden fields.
            size: side of the images in px; 255 is S1's.
        """
        super().__init__()
        trunk, sizes = Trunk(), exact_sizes(Trunk(), size)
        space = plane(parse_group(group))
        self.input_type = field_type = enn.FieldType(space, 3 * [space.trivial_repr])
        blocks = [enn.MaskModule(field_type, size, margin=1)]
        for block, fields in enumerate(trunk.fields, start=1):
            hidden_type = enn.FieldType(space, fields * [space.regular_repr])
            stride, padding = (2, sizes.stem_padding) if block == 1 else (1, 1)
            blocks += [
                enn.R2Conv(
                    field_type, hidden_type, 3, padding, stride, bias=False, initialize=False
                ),
                enn.InnerBatchNorm(hidden_type),
                enn.ReLU(hidden_type, inplace=True),
            ]
            if block in trunk.pool_after:
                blocks.append(enn.PointwiseAvgPoolAntialiased(hidden_type, SIGMA, stride=2))
            field_type = hidden_type
        self.blocks = enn.SequentialModule(*blocks)
        self.group_pool = enn.GroupPooling(field_type)
        self.classifier = classifier(trunk.fields[-1] * sizes.final**2, CLASSES)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Map (B, 3, size, size) normalised images to (B, 10) logits."""
        fields = enn.GeometricTensor(images, self.input_type)
        return self.classifier(self.group_pool(self.blocks(fields)).tensor.flatten(1))


class S1Images(Dataset):
    """Images in memory, each transformed when it is asked for."""

    def __init__(self, images: np.ndarray, labels: np.ndarray, transform: Callable):
        self.images, self.labels, self.transform = images, labels, transform

    def __len__(self) -> int:
        return len(self.labels)

    def __getitem__(self, index: int) -> tuple[torch.Tensor, int]:
        return self.transform(self.images[index]), self.labels[index]


def s1_transforms(size: int, training: bool) -> transforms.Compose:
    """Return S1's transforms of a (size + 1, size + 1, 3) uint8 image."""
    return transforms.Compose(
        [
            transforms.ToTensor(),
            *([transforms.RandomRotation(180)] if training else []),
            transforms.Resize(size),
            *([transforms.RandomAffine(degrees=0, translate=(0.1, 0.1))] if training else []),
            *([transforms.RandomHorizontalFlip(0.3)] if training else []),
            *([transforms.RandomVerticalFlip(0.3)] if training else []),
            transforms.Normalize([0.5] * 3, [0.5] * 3),
        ]
    )


def random_galaxies(count: int, size: int) -> tuple[np.ndarray, np.ndarray]:
    """Return (count, size, size, 3) uint8 noise and labels: what is on an image costs nothing."""
    draw = np.random.default_rng(0)
    return draw.integers(0, 256, (count, size, size, 3), dtype=np.uint8), np.arange(count) % CLASSES


def now(device: torch.device) -> float:
    """Return the time when all work on the device is done."""
    if device.type == "cuda":
        torch.cuda.synchronize()
    return time.perf_counter()


class S1:
    """S1's loop and network."""

    def __init__(self, task: Task):
        """Build the network and the images."""
        self.device = open_device(task.device)
        self.network = S1Network(task.group, task.size)
        generator = torch.Generator().manual_seed(0)
        initialise(self.network, generator)
        for layer in self.network.modules():
            if isinstance(layer, enn.R2Conv):
                initialise_steerable(layer, generator)
        self.network.to(self.device)
        self.optimiser = torch.optim.AdamW(
            self.network.parameters(), LEARNING_RATE, weight_decay=WEIGHT_DECAY
        )
        images, labels = random_galaxies(task.batch * task.steps, task.size + 1)
        self.loaders = [
            DataLoader(
                S1Images(images, labels, s1_transforms(task.size, training)),
                task.batch,
                shuffle=training,
            )
            for training in (False, True)
        ]

    def training(self, counter: Counter) -> Turn:
        """Train for one epoch."""
        self.network.train()
        start = now(self.device)
        for images, labels in self.loaders[True]:
            images, labels = images.to(self.device), labels.to(self.device)
            self.optimiser.zero_grad()
            cross_entropy(self.network(images), labels).backward()
            self.optimiser.step()
        seconds = now(self.device) - start
        return Turn(seconds, counter.total, counter.products)

    def inference(self, counter: Counter) -> Turn:
        """Classify the images; the filters are expanded before."""
        self.network.eval()
        start, before = now(self.device), counter.total
        with torch.no_grad():
            for images, _ in self.loaders[False]:
                self.network(images.to(self.device)).argmax(1)
        return Turn(now(self.device) - start, counter.total - before)


class Ours:
    """This project's loop and network."""

    def __init__(self, task: Task):
        """Build the network and the images, which stay on the device."""
        self.task, self.device = task, open_device(task.device)
        self.network = GCNN(parse_group(task.group), Trunk(), task.size, "pool", CLASSES)
        initialise(self.network, torch.Generator().manual_seed(0))
        self.network.to(self.device)
        images, labels = random_galaxies(task.batch * (task.steps + 1), task.size)
        images = torch.from_numpy(images).permute(0, 3, 1, 2).contiguous()
        self.images = images.to(self.device)
        self.labels = torch.from_numpy(labels).to(self.device)
        self.recipe = Recipe(
            epochs=1,
            batch_size=task.batch,
            learning_rate=LEARNING_RATE,
            weight_decay=WEIGHT_DECAY,
            label_smoothing=0,
            patience=1,
            precision=task.precision,
            augmentation=OURS,
            schedule=Schedule("multi_step"),
        )

    def training(self, counter: Counter) -> Turn:
        """Train for one epoch; its validation, of one image, is taken off."""
        calls: list[tuple[bool, float, int]] = []
        ends: list[float] = []
        used = self.task.batch * self.task.steps
        with self._noting(calls, counter):
            outcome = train(
                self.network,
                Labelled(self.images[:used], self.labels[:used]),
                Labelled(self.images[:1], self.labels[:1]),
                self.recipe,
                seed=0,
                report=lambda row: ends.append(now(self.device)),
            )
        _, validated, counted = calls[-1]
        before = next(counted for training, _, counted in calls if training)
        seconds = outcome.history[-1]["seconds"] - (ends[-1] - validated)
        return Turn(seconds, counted - before)

    def inference(self, counter: Counter) -> Turn:
        """Classify one batch, which prepares the convolutions, and then those that count."""
        calls: list[tuple[bool, float, int]] = []
        autocast = torch.autocast(
            self.device.type, torch.bfloat16, enabled=self.task.precision == "bfloat16"
        )
        with self._noting(calls, counter), autocast:
            predict_logits(self.network, self.images, batch_size=self.task.batch)
        _, start, before = calls[1]
        return Turn(now(self.device) - start, counter.total - before)

    def _noting(self, calls: list, counter: Counter):
        """Note mode, time and multiply-adds so far whenever the network is called.

        Steps of training have no time: to take it, a GPU would have to wait.
        """

        def note(network: nn.Module, inputs: tuple) -> None:
            moment = math.nan if network.training else now(self.device)
            calls.append((network.training, moment, counter.total))

        return self.network.register_forward_pre_hook(note)


class Product:
    """A square matrix product: what the machine can do."""

    def __init__(self, task: Task):
        """Make the factors."""
        self.device = open_device(task.device)
        self.side = PRODUCT[task.device]
        dtype = getattr(torch, task.precision)
        self.factors = [
            torch.randn(self.side, self.side, device=self.device).to(dtype) for _ in range(2)
        ]

    def training(self, counter: Counter) -> Turn:
        """Multiply."""
        start = now(self.device)
        torch.mm(*self.factors)
        return Turn(now(self.device) - start, self.side**3)


def serve(pipe: Connection, side: type, task: Task) -> None:
    """Build a side and do its work, turn by turn, as it is asked for.

    The first turn of each kind counts multiply-adds, which takes time of its own.
    """
    torch.set_num_threads(task.threads)
    subject = side(task)
    pipe.send("ready")
    counted = set()
    while work := pipe.recv():
        gc.collect()
        counter = Counter()
        with nullcontext() if work in counted else counter:
            turn = getattr(subject, work)(counter)
        counted.add(work)
        pipe.send(replace(turn, memory=peak_memory(open_device(task.device))))


class Worker:
    """A process that computes only when it is asked to."""

    def __init__(self, side: type, task: Task):
        """Start it and wait until it is ready."""
        context = multiprocessing.get_context("spawn")
        self.name = f"{side.__name__} {task.group} {task.precision}"
        self.pipe, other = context.Pipe()
        self.process = context.Process(target=serve, args=(other, side, task), daemon=True)
        self.process.start()
        other.close()
        self.answer()

    def answer(self) -> Any:
        """Return what it sends.

        Raises:
            SystemExit: it is dead.
        """
        try:
            return self.pipe.recv()
        except EOFError:
            self.process.join()
            raise SystemExit(f"{self.name}: ended with code {self.process.exitcode}") from None

    def turn(self, work: str) -> Turn:
        """Let it work and wait for it."""
        self.pipe.send(work)
        return self.answer()

    def close(self) -> None:
        """End it."""
        self.pipe.send("")
        self.process.join()


def take_turns(workers: dict[Any, Worker], work: str, turns: int) -> dict[Any, Turn]:
    """Return each worker's fastest turn, with the counts of a first one that is not timed."""
    first = {name: worker.turn(work) for name, worker in workers.items()}
    seconds: dict[Any, list[float]] = {name: [] for name in workers}
    memory = {}
    for _ in range(turns):
        for name, worker in workers.items():
            turn = worker.turn(work)
            seconds[name].append(turn.seconds)
            memory[name] = turn.memory
    return {
        name: replace(turn, seconds=min(seconds[name]), memory=memory[name])
        for name, turn in first.items()
    }


def measure(task: Task, precisions: Iterable[str], turns: int) -> None:
    """Print the rows of one group."""
    tasks = {precision: replace(task, precision=precision) for precision in precisions}
    workers = {("S1", "float32"): Worker(S1, task)}
    workers |= {("ours", name): Worker(Ours, each) for name, each in tasks.items()}
    products = {
        name: Worker(Product, replace(task, group=None, precision=name))
        for name in {"float32": 0, **tasks}
    }
    trained = take_turns(workers | products, "training", turns)
    inferred = take_turns(workers, "inference", turns)
    for worker in (*workers.values(), *products.values()):
        worker.close()

    peaks = {name: trained[name].multiply_adds / trained[name].seconds for name in products}
    reference = ("S1", "float32")
    for key in workers:
        side, precision = key
        cells = [task.group, side, precision, str(task.batch)]
        for results in (trained, inferred):
            turn = results[key]
            share = turn.multiply_adds / turn.seconds / peaks[precision]
            ratio = results[reference].seconds / turn.seconds
            rate = task.batch * task.steps / turn.seconds
            cells += [f"{rate:.3g}", f"{ratio:.2f}", f"{share:.2f}"]
        cells.append(f"{trained[key].memory / 2**30:.2f}")
        print(f"| {' | '.join(cells)} |", flush=True)
    rates = ", ".join(f"{name} {2e-12 * rate:.3g}" for name, rate in peaks.items())
    fixed = trained[reference].fixed / trained[reference].multiply_adds
    print(f"{task.group}: peak in TFLOP/s: {rates}; S1's training: {fixed:.1%} expand filters")


def main() -> None:
    """Print hardware, versions and the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--groups", nargs="+", default=list(BATCHES))
    parser.add_argument("--size", type=int, default=255, help="side of the images, px")
    parser.add_argument(
        "--batch", type=int, help=f"images in a step; default {BATCHES}, 4 for other groups"
    )
    parser.add_argument("--steps", type=int, default=1, help="batches in a turn")
    parser.add_argument("--turns", type=int, default=3, help="of which the fastest counts")
    parser.add_argument("--threads", type=int, default=os.cpu_count())
    parser.add_argument("--precisions", nargs="+", default=list(PRECISIONS), choices=PRECISIONS)
    parser.add_argument("--device", default="cpu", choices=DEVICES)
    options = parser.parse_args()
    open_device(options.device)
    exact_sizes(Trunk(), options.size)

    found = hardware(options.device, options.threads)
    if options.device == "cuda":
        found["gpu"] = torch.cuda.get_device_name()
    print(", ".join(f"{key} {value}" for key, value in found.items()))
    packages = {**versions(), "torchvision": torchvision.__version__}
    print(", ".join(f"{key} {packages[key]}" for key in ("torch", "escnn", "torchvision")))
    print(
        f"{options.size} px, {options.steps} steps in a turn, fastest of {options.turns} turns\n"
        "| group | side | precision | batch | training images/s | x S1 | share of peak "
        "| inference images/s | x S1 | share of peak | peak memory of training, GiB |\n"
        f"|{'---|' * 11}",
        flush=True,
    )
    for group in options.groups:
        task = Task(
            group,
            options.size,
            options.batch or BATCHES.get(group, 4),
            options.steps,
            options.threads,
            options.device,
        )
        measure(task, options.precisions, options.turns)


if __name__ == "__main__":
    run(main)
