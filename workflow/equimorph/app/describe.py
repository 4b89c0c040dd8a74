"""Describe networks before they are trained: what they cost and which symmetry they have."""

import time
from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import nn
from torch.nn.functional import interpolate

from equimorph.errors import InputError
from equimorph.evaluation.equivariance import equivariance_error
from equimorph.models.counting import count_macs, count_parameters, peak_activation_memory
from equimorph.models.registry import build, initialise
from equimorph.models.specification import symmetry
from equimorph.seeds import WEIGHTS, stream

IMAGES = 4  # that the errors are measured on; batch norm needs several


def describe(specification: Mapping[str, Any], classes: int, seed: int = 0) -> dict[str, Any]:
    """Build a network, draw its weights and measure it.

    Published weights are not fetched: what is counted does not depend on them.

    Args:
        specification: what `specification.resolve` returns.
        classes: number of logits.
        seed: of the weights and of the images.

    Returns:
        architecture, group, group_order (None for SO2 and O2), input_size, parameters (trainable),
        macs (per image), memory_inference and memory_training (bytes of activations for one image,
        and for a training step on two), build_seconds, and the relative errors of the logits under
        rotations by 90 and 45 degrees and under a reflection: 0 for an invariant network, 1.4 for
        one that sees an unrelated image (None where the network gives all images the same logits).
    """
    if "weights" in specification:
        specification = {**specification, "weights": None}
    size = specification["input_size"]
    started = time.perf_counter()
    network = build(specification, classes)
    initialise(network, stream(seed, WEIGHTS))
    seconds = time.perf_counter() - started
    group, order = symmetry(specification)
    images = smooth_images(size, torch.Generator().manual_seed(seed))
    settle(network, images)
    return {
        "architecture": specification["architecture"],
        "group": group,
        "group_order": order,
        "input_size": size,
        "parameters": count_parameters(network),
        "macs": count_macs(network, size),
        "memory_inference": peak_activation_memory(network, size, training=False),
        "memory_training": peak_activation_memory(network, size, batch=2, training=True),
        "build_seconds": round(seconds, 3),
        "error_90": _error(network, images, 90),
        "error_45": _error(network, images, 45),
        "error_reflection": _error(network, images, 0, reflect=True),
    }


def smooth_images(size: int, generator: torch.Generator) -> torch.Tensor:
    """Return (IMAGES, 3, size, size) smooth random grey levels, which a resampling hardly harms."""
    coarse = torch.rand(IMAGES, 3, 9, 9, generator=generator) * 255
    return interpolate(coarse, (size, size), mode="bicubic").clamp_(0, 255)


@torch.no_grad()
def settle(network: nn.Module, images: torch.Tensor) -> None:
    """Set the running statistics to those of the images, and the network to evaluation mode.

    With the statistics of the start, 0 and 1, the logits of a deep network hardly react to the
    images, and an error would be one of rounding alone.
    """
    norms = [module for module in network.modules() if hasattr(module, "running_mean")]
    momenta = [module.momentum for module in norms]
    for module in norms:
        module.momentum = 1.0
    network.train()
    network(images)
    for module, momentum in zip(norms, momenta, strict=True):
        module.momentum = momentum
    network.eval()


def _error(
    network: nn.Module, images: torch.Tensor, angle: float, reflect: bool = False
) -> float | None:
    try:
        return equivariance_error(network, images, [angle], reflect).item()
    except InputError:
        return None


def as_table(descriptions: Mapping[str, Mapping[str, Any]]) -> str:
    """Return the descriptions as a table, one network per line."""
    head = (
        *("network", "group", "order", "px", "parameters", "MMAC"),
        *("MiB", "MiB train", "build s", "error 90", "error 45", "reflected"),
    )
    rows = [
        (
            name,
            d["group"] or "-",
            str(d["group_order"] or "inf"),
            str(d["input_size"]),
            f"{d['parameters']:,}",
            f"{d['macs'] / 1e6:,.1f}",
            f"{d['memory_inference'] / 2**20:,.1f}",
            f"{d['memory_training'] / 2**20:,.1f}",
            f"{d['build_seconds']:.2f}",
            *(_short(d[f"error_{move}"]) for move in ("90", "45", "reflection")),
        )
        for name, d in descriptions.items()
    ]
    widths = [max(map(len, column)) for column in zip(head, *rows, strict=True)]
    return "\n".join(_line(cells, widths) for cells in (head, *rows))


def _short(error: float | None) -> str:
    return "-" if error is None else f"{error:.1e}"


def _line(cells: Sequence[str], widths: Sequence[int]) -> str:
    name, *numbers = (
        cell.ljust(width) if column == 0 else cell.rjust(width)
        for column, (cell, width) in enumerate(zip(cells, widths, strict=True))
    )
    return "  ".join([name, *numbers])
