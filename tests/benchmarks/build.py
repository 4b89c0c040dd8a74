"""Build and initialise S1's networks: seconds of one core, against escnn's plain convolution.

Run it with `python tests/benchmarks/build.py`; D16 alone takes escnn a minute and a half. Each
number is that of a fresh process, its imports left out. `cold` starts without stored bases, `warm`
finds them. escnn's own cache of Clebsch-Gordan coefficients is filled before; where it is empty,
the first process for D16 takes 20 seconds more, once.
"""

import argparse
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "workflow"))

GROUPS = ("C4", "D4", "C16", "D8", "D16")


def build(group: str, plain: bool) -> float:
    """Build S1's network at 255 px and draw its weights; return the seconds of CPU time."""
    import torch

    from equimorph.groups.escnn import enn
    from equimorph.groups.names import parse_group
    from equimorph.models.architectures import gcnn
    from equimorph.models.initialisation import initialise
    from equimorph.models.trunk import Trunk

    def escnns(in_type, out_type, kernel_size, stride, padding):
        return enn.R2Conv(
            in_type, out_type, kernel_size, padding, stride, bias=False, initialize=True
        )

    torch.set_num_threads(1)
    if plain:
        gcnn.SteerableConv = escnns
    start = time.process_time()
    network = gcnn.GCNN(parse_group(group), Trunk(), 255, "flatten", 10)
    if not plain:
        initialise(network, torch.Generator().manual_seed(0))
    return time.process_time() - start


def in_fresh_process(group: str, plain: bool, folder: str) -> float:
    """Return what `build` does in a process of its own, whose stored bases are in `folder`."""
    command = [sys.executable, __file__, "--group", group, *(["--plain"] if plain else [])]
    environment = {**os.environ, "EQUIMORPH_CACHE": folder, "OMP_NUM_THREADS": "1"}
    return float(subprocess.run(command, env=environment, check=True, stdout=-1).stdout)


def main() -> None:
    """Print a table, or one number for a process of the table's."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--group", help="print the seconds of this group alone")
    parser.add_argument("--plain", action="store_true", help="with escnn's convolution")
    parser.add_argument("--groups", nargs="+", default=GROUPS, help="rows of the table")
    arguments = parser.parse_args()
    if arguments.group:
        print(build(arguments.group, arguments.plain))
        return
    print(f"{'group':6}{'cold':>8}{'warm':>8}{'escnn':>8}{'escnn / warm':>14}")
    for group in arguments.groups:
        with tempfile.TemporaryDirectory() as empty:
            in_fresh_process(group, False, empty)  # fills escnn's cache
        with tempfile.TemporaryDirectory() as folder:
            cold, warm = (in_fresh_process(group, False, folder) for _ in range(2))
            plain = in_fresh_process(group, True, folder)
        print(f"{group:6}{cold:8.2f}{warm:8.2f}{plain:8.2f}{plain / warm:14.1f}", flush=True)


if __name__ == "__main__":
    main()
