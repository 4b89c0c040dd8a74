"""Time the blurred pool against escnn's: forward and backward, in both precisions.

Run: PYTHONPATH=workflow python tests/benchmarks/blurred_pool.py
"""

import time
from collections.abc import Callable

import torch

from equimorph.groups.escnn import enn
from equimorph.groups.names import parse_group
from equimorph.steerable.blurred_pool import SIGMA, BlurredPool
from equimorph.steerable.convolution import plane

REPEATS = 5
# Batch, fields and side of the maps before the pools of S1's D4 network at 255 px, and of smaller
# ones.
MAPS = ((4, 24, 127), (4, 48, 63), (4, 96, 31), (32, 12, 33), (32, 25, 17))


def seconds(call: Callable[[], None]) -> float:
    """Return the least time of several calls after one that warms up."""
    times = []
    for _ in range(REPEATS + 1):
        start = time.perf_counter()
        call()
        times.append(time.perf_counter() - start)
    return min(times[1:])


def step(pool: enn.PointwiseAvgPoolAntialiased, maps: torch.Tensor) -> Callable[[], None]:
    """Return a call that pools and goes back."""
    gradient = pool(enn.GeometricTensor(maps, pool.in_type)).tensor.detach()

    def run() -> None:
        maps.grad = None
        pool(enn.GeometricTensor(maps, pool.in_type)).tensor.backward(gradient)

    return run


def main() -> None:
    """Print one line per size and precision."""
    space = plane(parse_group("D4"))
    print(f"torch {torch.__version__}, {torch.get_num_threads()} threads, pools of D4 fields")
    print("batch fields side precision   escnn ms   ours ms   ratio")
    for batch, fields, side in MAPS:
        field_type = enn.FieldType(space, fields * [space.regular_repr])
        theirs = enn.PointwiseAvgPoolAntialiased(field_type, SIGMA, stride=2)
        for dtype in (torch.float32, torch.bfloat16):
            maps = torch.randn(batch, field_type.size, side, side).to(dtype).requires_grad_()
            their_time = seconds(step(theirs.to(dtype), maps))
            our_time = seconds(step(BlurredPool(field_type).to(dtype), maps))
            print(
                f"{batch:5} {fields:6} {side:4} {str(dtype)[6:]:9} {1e3 * their_time:10.1f}"
                f"{1e3 * our_time:10.1f} {their_time / our_time:7.2f}"
            )


if __name__ == "__main__":
    main()
