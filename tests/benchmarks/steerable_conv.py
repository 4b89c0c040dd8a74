"""Time the sparse steerable convolution against escnn's, in S1's networks or in single layers.

PYTHONPATH=workflow python tests/benchmarks/steerable_conv.py --groups D16 C16 --sizes 129
PYTHONPATH=workflow python tests/benchmarks/steerable_conv.py --layers D16,96,96,17 C4,12,24,65

Both sides have the same weights and take turns in one process; the fastest turn counts. On a busy
machine `--threads 1 --clock cpu` counts the time that the process itself computed.
"""

import argparse
import copy
import gc
import json
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import nullcontext
from functools import partial

import torch
from torch.nn.functional import cross_entropy
from torch.utils.flop_counter import FlopCounterMode

from equimorph.groups.escnn import enn
from equimorph.groups.names import parse_group
from equimorph.models.architectures.gcnn import GCNN
from equimorph.models.export import export
from equimorph.models.initialisation import initialise
from equimorph.models.trunk import Trunk
from equimorph.steerable.blurred_pool import BlurredPool
from equimorph.steerable.convolution import SteerableConv, plane
from equimorph.steerable.irrep_conv import use_irrep_convolutions

GROUPS = ["C2", "C4", "C8", "C16", "D2", "D4", "D8", "D16"]
CLOCKS = {"wall": time.perf_counter, "cpu": time.process_time}
PRECISIONS = {"fp32": torch.float32, "bf16": torch.bfloat16}
# The method of every convolution: escnn's own code, or what the cost model takes.
METHODS = {"escnn": "dense", "ours": "auto"}


def autocast(precision: str):
    """Return the context in which a network computes in `precision`."""
    if precision == "fp32":
        return nullcontext()
    return torch.autocast("cpu", dtype=PRECISIONS[precision])


def take_turns(
    candidates: dict[str, Callable[[], None]], turns: int, clock: Callable[[], float]
) -> dict[str, float]:
    """Return each candidate's seconds in its fastest turn, after one that does not count."""
    seconds: dict[str, list[float]] = {name: [] for name in candidates}
    order = list(candidates)
    for turn in range(turns + 1):
        for name in order:
            gc.collect()
            start = clock()
            candidates[name]()
            if turn:
                seconds[name].append(clock() - start)
        order.reverse()  # whoever comes second finds the other's data in the caches
    return {name: min(times) for name, times in seconds.items()}


def peak_rate(precision: str, clock: Callable[[], float]) -> float:
    """Return the multiply-adds per second of a large matrix product."""
    left, right = (torch.randn(1536, 1536, dtype=PRECISIONS[precision]) for _ in range(2))
    seconds = take_turns({"product": lambda: torch.mm(left, right)}, 5, clock)
    return 1536**3 / seconds["product"]


def multiply_adds(work: Callable[[], None]) -> int:
    """Count the multiply-adds of all matrix products and convolutions in `work`."""
    with FlopCounterMode(display=False) as counter:
        work()
    return counter.get_total_flops() // 2


def s1_network(group: str, size: int) -> GCNN:
    """Return S1's network with random weights."""
    network = GCNN(parse_group(group), Trunk(), size, "pool", 10)
    initialise(network, torch.Generator().manual_seed(0))
    return network


def training_step(network: GCNN, size: int, batch: int, precision: str) -> Callable[[], None]:
    """Return a function that does one step of training on random images."""
    images = torch.rand(batch, 3, size, size) * 255
    labels = torch.arange(batch) % 10
    optimiser = torch.optim.AdamW(network.train().parameters(), lr=1e-4)

    def step() -> None:
        optimiser.zero_grad()
        with autocast(precision):
            logits = network(images)
        cross_entropy(logits.float(), labels).backward()
        optimiser.step()

    return step


def inference(network: torch.nn.Module, size: int, batch: int, precision: str):
    """Return a function that classifies random images."""
    images = torch.rand(batch, 3, size, size) * 255
    network.eval()

    def classify() -> None:
        with torch.inference_mode(), autocast(precision):
            network(images)

    return classify


def time_network(group: str, size: int, precision: str, options: argparse.Namespace) -> dict:
    """Return seconds per training step and per inference batch, ours and escnn's."""
    clock = CLOCKS[options.clock]
    arguments = size, options.batch, precision
    network = s1_network(group, size)
    networks = {
        name: use_irrep_convolutions(copy.deepcopy(network), method)
        for name, method in METHODS.items()
    }
    _use_escnns_pools(networks["escnn"])
    steps = {name: training_step(each, *arguments) for name, each in networks.items()}
    result = {"step": take_turns(steps, options.turns, clock)}
    rate = peak_rate(precision, clock)
    result["share of peak"] = {
        name: multiply_adds(step) / rate / result["step"][name] for name, step in steps.items()
    }
    with torch.no_grad():
        networks["escnn"] = export(networks["escnn"])
    runs = {name: inference(each, *arguments) for name, each in networks.items()}
    result["inference"] = take_turns(runs, options.turns, clock)
    return result


def _use_escnns_pools(network: torch.nn.Module) -> None:
    """Give the blurred pools back their parent's code: the gradient in bfloat16 is ours."""
    for module in network.modules():
        if isinstance(module, BlurredPool):
            module.__class__ = enn.PointwiseAvgPoolAntialiased


def peak_memory(group: str, size: int, precision: str, options: argparse.Namespace) -> dict:
    """Return the MiB that one training step adds to a process, ours and escnn's."""
    result = {}
    for name in METHODS:
        task = json.dumps([name, group, size, options.batch, precision, options.threads])
        command = [sys.executable, __file__, "--memory-of", task]
        child = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
        result[name] = float(child.stdout.split()[-1])
    return {"memory": result}


def measure_memory(task: str) -> None:
    """Print the MiB that building S1's network and two steps of training add to this process."""
    name, group, size, batch, precision, threads = json.loads(task)
    torch.set_num_threads(threads)
    # What the basis takes to compute is not the convolution's.
    s1_network(group, size)
    gc.collect()
    before = memory("VmRSS")
    network = use_irrep_convolutions(s1_network(group, size), METHODS[name])
    step = training_step(network, size, batch, precision)
    step()
    step()
    print(memory("VmHWM") - before)


def memory(key: str) -> float:
    """Return a field of this process's status, in MiB."""
    with open("/proc/self/status") as status:
        return int(status.read().split(f"{key}:")[1].split()[0]) / 1024


def time_layer(layer: str, precision: str, options: argparse.Namespace) -> dict:
    """Return seconds per forward and backward pass and per forward pass of one convolution.

    Args:
        layer: group, input fields, output fields, side of the map in px, separated by commas.
        precision: fp32 or bf16.
        options: from the command line.
    """
    group, *numbers = layer.split(",")
    fields_in, fields_out, size = map(int, numbers)
    space = plane(parse_group(group))
    types = [enn.FieldType(space, n * [space.regular_repr]) for n in (fields_in, fields_out)]
    conv = SteerableConv(*types, 3, 1, 1)
    torch.nn.init.normal_(conv.weights)
    tensor = torch.randn(options.batch, types[0].size, size, size, dtype=PRECISIONS[precision])
    gradient = torch.randn(options.batch, types[1].size, size, size, dtype=PRECISIONS[precision])
    convs = {
        name: use_irrep_convolutions(copy.deepcopy(conv), method)
        for name, method in {"escnn": "dense", "ours": "sparse"}.items()
    }

    def there_and_back(conv: enn.R2Conv) -> None:
        leaf = tensor.detach().requires_grad_()
        with autocast(precision):
            output = conv(enn.GeometricTensor(leaf, conv.in_type)).tensor
        output.backward(gradient)
        conv.weights.grad = None

    def there(conv: enn.R2Conv) -> None:
        with torch.inference_mode(), autocast(precision):
            conv(enn.GeometricTensor(tensor, conv.in_type))

    clock = CLOCKS[options.clock]
    result = {}
    for name, work in (("step", there_and_back), ("inference", there)):
        for each in convs.values():
            each.train(name == "step")
        candidates = {side: partial(work, each) for side, each in convs.items()}
        result[name] = take_turns(candidates, options.turns, clock)
    auto = use_irrep_convolutions(convs["ours"], "auto")
    result["chosen"] = {
        name: auto.is_sparse(tensor.shape, PRECISIONS[precision], "cpu", gradients)
        for name, gradients in (("step", True), ("inference", False))
    }
    return result


def line(label: str, precision: str, result: dict) -> str:
    """Format one result."""
    parts = [f"{label:18} {precision}"]
    for name in ("step", "inference", "memory"):
        if name in result:
            theirs, mine = result[name]["escnn"], result[name]["ours"]
            unit = (1, "MiB") if name == "memory" else (1e3, "ms")
            numbers = f"{theirs * unit[0]:.0f} -> {mine * unit[0]:.0f} {unit[1]}"
            parts.append(f"{name} {numbers} ({theirs / mine:.2f}x)")
    if "share of peak" in result:
        shares = (f"{name} {share:.2f}" for name, share in result["share of peak"].items())
        parts.append("share of peak: " + ", ".join(shares))
    if "chosen" in result:
        parts.append("auto takes the faster: " + ", ".join(_verdicts(result)))
    return " | ".join(parts)


def _verdicts(result: dict) -> list[str]:
    return [
        f"{name} {chosen == (result[name]['ours'] < result[name]['escnn'])}"
        for name, chosen in result["chosen"].items()
    ]


def main() -> None:
    """Measure and print, one line per network or layer and precision."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--groups", nargs="*", default=GROUPS)
    parser.add_argument("--sizes", nargs="*", type=int, default=[65, 129], help="images, px")
    parser.add_argument("--layers", nargs="*", help="GROUP,FIELDS,FIELDS,PX each, no networks")
    parser.add_argument("--precisions", nargs="*", default=list(PRECISIONS), choices=PRECISIONS)
    parser.add_argument("--batch", type=int, default=2)
    parser.add_argument("--turns", type=int, default=3)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--clock", default="wall", choices=CLOCKS)
    parser.add_argument("--memory", action="store_true", help="measure the peak memory as well")
    parser.add_argument("--memory-of", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.memory_of:
        measure_memory(options.memory_of)
        return
    torch.set_num_threads(options.threads)
    print(f"torch {torch.__version__}, {options.threads} threads, batch {options.batch}")
    for precision in options.precisions:
        for layer in options.layers or []:
            print(line(layer, precision, time_layer(layer, precision, options)), flush=True)
        if options.layers:
            continue
        for group in options.groups:
            for size in options.sizes:
                result = time_network(group, size, precision, options)
                if options.memory:
                    result |= peak_memory(group, size, precision, options)
                print(line(f"{group} {size} px", precision, result), flush=True)


if __name__ == "__main__":
    main()
