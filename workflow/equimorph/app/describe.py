"""Describe networks before they are trained: what they cost and which symmetry they have."""

import copy
import time
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from torch import nn

from equimorph.errors import InputError
from equimorph.evaluation.equivariance import logits_against_angle, relative_error
from equimorph.groups.names import symmetry
from equimorph.models.counting import (
    count_executed_macs,
    count_macs,
    count_parameters,
    peak_activation_memory,
)
from equimorph.models.initialisation import initialise
from equimorph.models.inputs import black_inputs, measured
from equimorph.models.registry import build
from equimorph.seeds import WEIGHTS, stream
from equimorph.simulation.simulate import simulate_galaxy
from equimorph.steerable.chosen_forms import chosen_methods

CLASSES = (0, 2, 4, 5, 7, 9)  # of the simulated galaxies that the errors are measured on
# Above, operations are only counted (escnn's dropout runs on real tensors alone, and needs none).
COUNTED_ONLY = 5e9
# Above, the errors are measured on images of SMALL px: at full size they would take many minutes.
TOO_LARGE, SMALL = 5e11, 65
SEED = 0  # of weights and galaxies
BATCH = 32  # of the convolutions' choice between dense and sparse


def describe(specification: Mapping[str, Any], classes: int) -> dict[str, Any]:
    """Build a network, draw its weights and measure it.

    Published weights are not fetched: what is counted does not depend on them.

    Args:
        specification: what `study.models.resolve` returns.
        classes: number of logits.

    Returns:
        architecture, group, group_order (None for SO2 and O2), input_size, parameters (trainable),
        macs (per image, steerable convolutions expanded to dense ones), executed_macs (what a CPU
        really executes in training), memory_inference and memory_training (bytes of activations for
        one image, and for a training step on two), build_seconds, and the relative errors of the
        logits under rotations by 90 and 45 degrees and under a reflection, on simulated galaxies of
        six classes:
        0 for an invariant network, 1.4 for one that sees an unrelated image, None where the network
        gives all images the same logits; error_size is the side of those images. convolutions says
        of each steerable one whether it runs `sparse` or `dense` on a CPU, in float32 and batches
        of 32, in training and in inference.
    """
    if "weights" in specification:
        specification = {**specification, "weights": None}
    size = specification["input_size"]
    started = time.perf_counter()
    network = build(specification, classes)
    initialise(network, stream(SEED, WEIGHTS))
    seconds = time.perf_counter() - started
    group, order = symmetry(specification)
    operations = _without_numbers(network)
    macs = count_macs(operations, size)
    cheaper = operations if macs > COUNTED_ONLY else network
    memory = {
        "memory_inference": peak_activation_memory(cheaper, size, training=False),
        "memory_training": peak_activation_memory(cheaper, size, batch=2, training=True),
    }
    if macs > TOO_LARGE:
        size = SMALL
        network = build({**specification, "input_size": size}, classes)
        initialise(network, stream(SEED, WEIGHTS))
    return {
        "architecture": specification["architecture"],
        "group": group,
        "group_order": order,
        "input_size": specification["input_size"],
        "parameters": count_parameters(operations),
        "macs": macs,
        "executed_macs": count_executed_macs(operations, specification["input_size"]),
        **memory,
        "build_seconds": round(seconds, 3),
        **_errors(network, galaxies(size)),
        "error_size": size,
        "convolutions": _convolutions(operations, specification["input_size"]) if group else {},
    }


def _convolutions(network: nn.Module, size: int) -> dict[str, dict[str, str]]:
    black = black_inputs(network, 1, size)
    training, inference = (chosen_methods(network, black, BATCH, g) for g in (True, False))
    return {name: {"training": training[name], "inference": inference[name]} for name in training}


def _without_numbers(network: nn.Module) -> nn.Module:
    """Return a copy whose floats have shapes but no values, so that running it costs nothing."""
    return copy.deepcopy(network)._apply(
        lambda tensor: tensor.to("meta") if tensor.is_floating_point() else tensor
    )


def galaxies(size: int) -> torch.Tensor:
    """Return (len(CLASSES), 3, size, size) images of simulated galaxies, one of each class."""
    drawn = [simulate_galaxy(c, size, np.random.default_rng([SEED, c]))[0] for c in CLASSES]
    images = np.rint(np.stack(drawn)).astype(np.uint8)
    return torch.from_numpy(images).permute(0, 3, 1, 2).contiguous()


@torch.no_grad()
def settle(network: nn.Module, *inputs: torch.Tensor) -> None:
    """Set the running statistics to those of the inputs, and the network to evaluation mode.

    With the statistics of the start, 0 and 1, the logits of a deep network hardly react to the
    images, and an error would be one of rounding alone.
    """
    norms: list[Any] = [module for module in network.modules() if hasattr(module, "running_mean")]
    momenta = [module.momentum for module in norms]
    network.eval()  # dropout would draw from torch's own generator
    for module in norms:
        module.train()
        module.momentum = 1.0
    network(*inputs)
    for module, momentum in zip(norms, momenta, strict=True):
        module.momentum = momentum
    network.eval()


def _errors(network: nn.Module, images: torch.Tensor) -> dict[str, float | None]:
    beside = measured(network, images.permute(0, 2, 3, 1).numpy())
    settle(network, images, *beside)
    original, *rotated = logits_against_angle(network, images, [0, 90, 45], measured=beside)
    reflected = logits_against_angle(network, images, [0], reflect=True, measured=beside)
    try:
        errors = relative_error(torch.stack([*rotated, *reflected]), original).tolist()
    except InputError:
        errors = [None] * 3
    return dict(zip(("error_90", "error_45", "error_reflection"), errors, strict=True))


def as_table(descriptions: Mapping[str, Mapping[str, Any]]) -> str:
    """Return the descriptions as a table, one network per line."""
    head = (
        *("network", "group", "order", "px", "parameters", "MMAC", "executed"),
        *("MiB", "MiB train", "sparse", "build s", "error 90", "error 45", "reflected"),
    )
    rows = [
        (
            name,
            d["group"] or "-",
            str(d["group_order"] or "inf"),
            str(d["input_size"]),
            f"{d['parameters']:,}",
            f"{d['macs'] / 1e6:,.1f}",
            f"{d['executed_macs'] / 1e6:,.1f}",
            f"{d['memory_inference'] / 2**20:,.1f}",
            f"{d['memory_training'] / 2**20:,.1f}",
            _sparse(d["convolutions"]),
            f"{d['build_seconds']:.2f}",
            *(_short(d[f"error_{under}"]) for under in ("90", "45", "reflection")),
        )
        for name, d in descriptions.items()
    ]
    widths = [max(map(len, column)) for column in zip(head, *rows, strict=True)]
    return "\n".join(_line(cells, widths) for cells in (head, *rows))


def _sparse(convolutions: Mapping[str, Mapping[str, str]]) -> str:
    """Say how many of the steerable convolutions train in the irrep basis."""
    sparse = sum(methods["training"] == "sparse" for methods in convolutions.values())
    return f"{sparse}/{len(convolutions)}" if convolutions else "-"


def _short(error: float | None) -> str:
    return "-" if error is None else f"{error:.1e}"


def _line(cells: Sequence[str], widths: Sequence[int]) -> str:
    name, *numbers = (
        cell.ljust(width) if column == 0 else cell.rjust(width)
        for column, (cell, width) in enumerate(zip(cells, widths, strict=True))
    )
    return "  ".join([name, *numbers])
