"""Bases of steerable kernels: the same on every machine, shared by all layers, kept on disk.

escnn computes a basis from Clebsch-Gordan coefficients, seconds to minutes of work for a dihedral
group, and lists its elements anew for every layer. Here a process has each basis once, and a later
process reads it from the folder `bases` of the cache. What lies there may be deleted at any time.
"""

import hashlib
import json
import os
import warnings
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from functools import cache
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file

from equimorph.groups.escnn import enn, gspaces
from equimorph.steerable.cache_folder import cache_folder

FORMAT = 1
# The last bits of a basis depend on these.
_PACKAGES = ("escnn", "numpy", "scipy", "torch")
# Of an element's entries, the first above this share of the largest decides the sign. In no basis
# up to D16 and 5 x 5 px is an entry closer to it than 0.4 %: rounding cannot change which that is.
_LARGE = 0.4

_planar = enn.modules.conv.r2convolution
_grid = enn.modules.conv.rd_convolution.get_grid_coords
_single = enn.modules.basismanager.basisexpansion_singleblock


@dataclass(frozen=True)
class KernelBasis:
    """The steerable kernels between two fields, sampled on the pixel grid; K may be 0.

    Attributes:
        samples: (K, channels out, channels in, kernel_size^2) float32.
        in_irrep: (K, n) identifier of the irrep that an element maps from.
        out_irrep: (K, n) identifier of the irrep that it maps to.
        in_irrep_idx: (K,) which of the input field's irreps that is.
        out_irrep_idx: (K,) which of the output field's.
        radius: (K,) radius of the element's ring in px.
        frequency: (K,) its angular frequency on the ring.
    """

    samples: torch.Tensor
    in_irrep: torch.Tensor
    out_irrep: torch.Tensor
    in_irrep_idx: torch.Tensor
    out_irrep_idx: torch.Tensor
    radius: torch.Tensor
    frequency: torch.Tensor

    def elements(self) -> Iterator[dict[str, Any]]:
        """Describe the elements, under the names that escnn gives their attributes."""
        irreps = (self.in_irrep, self.out_irrep, self.in_irrep_idx, self.out_irrep_idx)
        columns = (column.tolist() for column in (*irreps, self.radius, self.frequency))
        for number, row in enumerate(zip(*columns, strict=True)):
            in_irrep, out_irrep, in_index, out_index, radius, frequency = row
            yield {
                "id": number,
                "in_irrep": tuple(in_irrep),
                "out_irrep": tuple(out_irrep),
                "in_irrep_idx": in_index,
                "out_irrep_idx": out_index,
                "radius": radius,
                "irrep:frequency": frequency,
            }


@cache
def kernel_basis(
    space: gspaces.GSpace2D,
    source: Any,
    target: Any,
    kernel_size: int,
    frequencies_cutoff: float | None = None,
) -> KernelBasis:
    """Return the basis of the kernels from one field to another, computed if no cache has it.

    Args:
        space: the group and how it acts on the plane.
        source: escnn's representation of the input field.
        target: escnn's representation of the output field.
        kernel_size: side of the kernel in px.
        frequencies_cutoff: highest frequency per px of a ring's radius; None is escnn's rule.
    """
    arguments = (space, source, target, kernel_size, frequencies_cutoff)
    path = cache_folder("bases") / f"{_key(*arguments)}.safetensors"
    stored = _read(path)
    if stored is not None:
        return stored
    basis = compute_basis(*arguments)
    _write(path, basis)
    return basis


def compute_basis(
    space: gspaces.GSpace2D,
    source: Any,
    target: Any,
    kernel_size: int,
    frequencies_cutoff: float | None = None,
) -> KernelBasis:
    """Return what `kernel_basis` does, without our cache: escnn's basis up to signs."""
    band_limit, rings, sigma, frequency = _planar.compute_basis_params(
        kernel_size, frequencies_cutoff
    )
    try:
        analytic = space.build_kernel_basis(
            source, target, sigma, rings, maximum_frequency=frequency
        )
        block = _single.block_basisexpansion(
            analytic, _grid(2, kernel_size), band_limit, recompute=True
        )
    except _single.EmptyBasisException:
        samples, elements = torch.zeros(0, target.size, source.size, kernel_size**2), []
    else:
        samples, elements = block.sampled_basis, list(block.get_basis_info())

    def column(name: str, dtype: torch.dtype = torch.int64) -> torch.Tensor:
        return torch.tensor([element[name] for element in elements], dtype=dtype)

    return KernelBasis(
        samples=_with_canonical_signs(samples),
        in_irrep=column("in_irrep"),
        out_irrep=column("out_irrep"),
        in_irrep_idx=column("in_irrep_idx"),
        out_irrep_idx=column("out_irrep_idx"),
        radius=column("radius", torch.float64),
        frequency=column("irrep:frequency"),
    )


def _with_canonical_signs(samples: torch.Tensor) -> torch.Tensor:
    """Flip signs so that each element's canonical sign is positive."""
    # In one layout, computed or read from a file: the order of sums depends on it.
    return (samples * canonical_signs(samples)[:, None, None, None]).contiguous()


def canonical_signs(samples: torch.Tensor) -> torch.Tensor:
    """Return the sign of the first of each element's large entries, (K,) of 1 and -1.

    escnn takes the coefficients of dihedral groups, O(2) and others from a singular value
    decomposition, whose signs differ between types of CPU: D4's weights, trained on one, gave
    another network on the next (accuracy 0.16 instead of 0.75).

    Args:
        samples: (K, channels out, channels in, kernel_size^2) of a basis.
    """
    entries = samples.flatten(1)
    large = entries.abs() > _LARGE * entries.abs().amax(1, keepdim=True)
    return entries.gather(1, large.int().argmax(1, keepdim=True))[:, 0].sign()


def _key(
    space: gspaces.GSpace2D,
    source: Any,
    target: Any,
    kernel_size: int,
    frequencies_cutoff: float | None,
) -> str:
    """Return a digest of all that a basis depends on."""
    _, rings, sigma, frequency = _planar.compute_basis_params(kernel_size, frequencies_cutoff)
    depends_on = {
        "rule": [FORMAT, hashlib.sha256(Path(__file__).read_bytes()).hexdigest()],
        "versions": {package: version(package) for package in _PACKAGES},
        "space": space.name,
        "source": _description(source),
        "target": _description(target),
        "kernel_size": kernel_size,
        "rings": rings,
        "sigma": sigma,
        "maximum_frequency": frequency,
        "frequencies_cutoff": frequencies_cutoff,
    }
    return hashlib.sha256(json.dumps(depends_on, sort_keys=True).encode()).hexdigest()


def _description(representation: Any) -> dict[str, Any]:
    change = np.ascontiguousarray(representation.change_of_basis, dtype=np.float64)
    return {
        "group": representation.group.name,
        "irreps": representation.irreps,
        "change_of_basis": hashlib.sha256(change.data).hexdigest(),
    }


def _read(path: Path) -> KernelBasis | None:
    """Return a stored basis; None, with a warning, if it is damaged, and if there is none."""
    try:
        with safe_open(path, framework="pt") as file:
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
            checksum = (file.metadata() or {}).get("sha256")
        if checksum != _checksum(tensors):
            raise ValueError("its checksum is wrong")
        # In memory that torch has aligned: rounding depends on that too, and a training that reads
        # its bases is to be equal to the one that computed them.
        return KernelBasis(**{name: tensor.clone() for name, tensor in tensors.items()})
    except FileNotFoundError:
        return None
    except (OSError, SafetensorError, TypeError, ValueError) as error:
        warnings.warn(f"{path}: not a stored basis ({error}); computed anew.", stacklevel=3)
        return None


def _write(path: Path, basis: KernelBasis) -> None:
    """Store a basis; where that fails, it is computed again next time."""
    tensors = {name: tensor.contiguous() for name, tensor in vars(basis).items()}
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        save_file(tensors, temporary, metadata={"sha256": _checksum(tensors)})
        os.replace(temporary, path)
    except (OSError, SafetensorError) as error:
        with suppress(OSError):
            temporary.unlink()
        warnings.warn(f"{path}: the basis is not stored ({error}).", stacklevel=3)


def _checksum(tensors: Mapping[str, torch.Tensor]) -> str:
    total = hashlib.sha256()
    for name, tensor in sorted(tensors.items()):
        total.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}".encode())
        total.update(tensor.numpy().data)
    return total.hexdigest()
