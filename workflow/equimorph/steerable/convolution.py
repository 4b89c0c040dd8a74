"""Steerable building blocks on escnn, quick to build and to initialise."""

from collections import Counter, defaultdict
from collections.abc import Iterator
from itertools import product
from typing import Any

import torch
from torch import nn

from equimorph.groups.escnn import basismanager, enn, gspaces
from equimorph.groups.names import Group
from equimorph.steerable.basis_cache import KernelBasis, kernel_basis
from equimorph.steerable.irrep_conv import IrrepConv


def plane(group: Group) -> gspaces.GSpace2D:
    """Return escnn's space for `group` acting on the plane; D1 flips along the vertical axis."""
    if group.reflections:
        return gspaces.flipRot2dOnR2(group.rotations)
    return gspaces.rot2dOnR2(group.rotations)


class PairExpansion(nn.Module):
    """The kernels between two fields: escnn's SingleBlockBasisExpansion.

    Layers share the samples, not the module, so that one network can move to a GPU alone.
    """

    sampled_basis: torch.Tensor

    def __init__(self, basis: KernelBasis):
        super().__init__()
        self.basis = basis
        self.register_buffer("sampled_basis", basis.samples, persistent=False)

    def forward(self, weights: torch.Tensor) -> torch.Tensor:
        """Map weights (pairs of fields, K) to kernels (pairs, out, in, pixels)."""
        return torch.einsum("boi...,kb->koi...", self.sampled_basis, weights)

    def dimension(self) -> int:
        """Return the number of elements K."""
        return len(self.sampled_basis)

    def get_basis_info(self) -> Iterator[dict[str, Any]]:
        """Describe each element."""
        return self.basis.elements()


class Expansion(basismanager.BlocksBasisExpansion):
    """The map from weights to a filter, by blocks: one for each pair of representations.

    The constructor does what escnn's does, with bases that are there already.
    """

    # escnn compares expansions by value, so torch would list only one of several equal ones.
    __eq__, __hash__ = object.__eq__, object.__hash__

    def __init__(
        self,
        in_type: enn.FieldType,
        out_type: enn.FieldType,
        kernel_size: int,
        frequencies_cutoff: float | None,
    ):
        nn.Module.__init__(self)
        self._in_reprs, self._out_reprs = in_type.representations, out_type.representations
        self._input_size, self._output_size = in_type.size, out_type.size
        self.S = kernel_size**2
        sources = {representation.name: representation for representation in self._in_reprs}
        targets = {representation.name: representation for representation in self._out_reprs}
        self._in_count, rows_in, in_one_piece = basismanager.retrieve_indices(self._in_reprs)
        self._out_count, rows_out, out_one_piece = basismanager.retrieve_indices(self._out_reprs)
        self._n_pairs = len(sources) * len(targets)
        self._contiguous: dict[tuple[str, str], bool] = {}
        self._weights_ranges: dict[tuple[str, str], tuple[int, int]] = {}
        self._dim = 0
        for pair in sorted(product(sources, targets)):
            source, target = pair
            basis = kernel_basis(
                in_type.gspace, sources[source], targets[target], kernel_size, frequencies_cutoff
            )
            if len(basis.samples) == 0:
                continue
            name = self._escape_pair(pair)
            self.add_module(f"block_expansion_{name}", PairExpansion(basis))
            start = self._dim
            self._dim += len(basis.samples) * self._in_count[source] * self._out_count[target]
            self._weights_ranges[pair] = (start, self._dim)
            self._contiguous[pair] = in_one_piece[source] and out_one_piece[target]
            if self._contiguous[pair]:
                setattr(self, f"in_indices_{name}", _piece(rows_in[source]))
                setattr(self, f"out_indices_{name}", _piece(rows_out[target]))
            else:
                grid = torch.meshgrid(rows_out[target], rows_in[source], indexing="ij")
                for direction, rows in zip(("out", "in"), grid, strict=True):
                    self.register_buffer(
                        f"{direction}_indices_{name}", rows.flatten(), persistent=False
                    )
        self._representations_pairs = list(self._weights_ranges)


def _piece(rows: torch.Tensor) -> tuple[int, int, int]:
    """Return start, stop and length of consecutive rows."""
    start, stop = int(rows[0]), int(rows[-1]) + 1
    return start, stop, stop - start


class SteerableConv(IrrepConv):
    """A planar steerable convolution without bias, its weights left at zero, quick to build.

    The basis comes from `basis_cache`. The filter, which takes gigabytes in S1's D16 network, is
    expanded in evaluation mode only, and only when it is asked for.
    """

    def __init__(
        self,
        in_type: enn.FieldType,
        out_type: enn.FieldType,
        kernel_size: int,
        stride: int,
        padding: int,
        frequencies_cutoff: float | None = None,
    ):
        """Build the layer.

        Args:
            in_type: fields that it reads.
            out_type: fields that it writes.
            kernel_size: side of the kernel in px.
            stride: step in px.
            padding: zeros on each side in px.
            frequencies_cutoff: highest frequency of a kernel per px of radius; None is escnn's
                rule.
        """
        enn.EquivariantModule.__init__(self)
        self.d = 2
        self.space = in_type.gspace
        self.in_type, self.out_type = in_type, out_type
        self.kernel_size, self.stride, self.padding = kernel_size, stride, padding
        self.dilation, self.groups, self.padding_mode = 1, 1, "zeros"
        self.bias = self.expanded_bias = None
        self._basisexpansion = Expansion(in_type, out_type, kernel_size, frequencies_cutoff)
        if self._basisexpansion.dimension() == 0:
            raise ValueError(
                f"no kernel of {kernel_size} px maps {in_type} to {out_type} at these frequencies."
            )
        self.weights = nn.Parameter(torch.zeros(self._basisexpansion.dimension()))
        self.prepare("auto")

    def draw_weights(self, generator: torch.Generator) -> None:
        """Draw the weights, see `initialise_steerable`."""
        initialise_steerable(self, generator)


def he_standard_deviations(conv: enn.R2Conv) -> torch.Tensor:
    """Return the standard deviation of each weight, as in escnn's `generalized_he_init`.

    escnn walks over every weight in Python, 97 % of the time that a C16 network takes to build.
    All pairs of fields with the same two representations share one basis, so one pass over each
    basis is enough: the factor of a weight from irrep i into the output irrep o is
    1 / sqrt(number of distinct irreps that reach o * number of weights from irreps of type i to o).

    Returns:
        (number of weights,) float tensor in the order of `conv.weights`.
    """
    expansion = conv.basisexpansion
    reached_by = defaultdict(set)
    paths: Counter[tuple] = Counter()
    bases = {}
    for pair in expansion._representations_pairs:
        source, target = pair
        block = getattr(expansion, f"block_expansion_{expansion._escape_pair(pair)}")
        bases[pair] = [(a["in_irrep"], a["out_irrep_idx"]) for a in block.get_basis_info()]
        for irrep, position in bases[pair]:
            reached_by[target, position].add(irrep)
            paths[target, position, irrep] += expansion._in_count[source]
    deviations = torch.empty(expansion.dimension())
    for pair, basis in bases.items():
        target = pair[1]
        one_pair = torch.tensor(
            [
                (len(reached_by[target, position]) * paths[target, position, irrep]) ** -0.5
                for irrep, position in basis
            ]
        )
        start, stop = expansion._weights_ranges[pair]
        deviations[start:stop] = one_pair.repeat((stop - start) // len(basis))
    return deviations


def initialise_steerable(conv: enn.R2Conv, generator: torch.Generator) -> None:
    """Draw the weights of a steerable convolution from the generalised He distribution.

    Source: Weiler and Cesa, General E(2)-Equivariant Steerable CNNs, NeurIPS 2019.
    """
    deviations = he_standard_deviations(conv)
    noise = torch.randn(deviations.shape, generator=generator)
    with torch.no_grad():
        conv.weights.copy_(noise * deviations)
