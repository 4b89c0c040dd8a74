"""Steerable building blocks on escnn, and their fast initialisation."""

from collections import Counter, defaultdict
from functools import cache

import torch

from equimorph.groups.escnn import enn, gspaces
from equimorph.groups.names import Group


def plane(group: Group) -> gspaces.GSpace2D:
    """Return escnn's space for `group` acting on the plane; D1 flips along the vertical axis."""
    if group.reflections:
        return gspaces.flipRot2dOnR2(group.rotations)
    return gspaces.rot2dOnR2(group.rotations)


def steerable_conv(
    in_type: enn.FieldType, out_type: enn.FieldType, kernel_size: int, stride: int, padding: int
) -> enn.R2Conv:
    """Return a steerable convolution without bias, its weights left at zero."""
    return enn.R2Conv(
        in_type,
        out_type,
        kernel_size,
        stride=stride,
        padding=padding,
        bias=False,
        initialize=False,
    )


@cache
def weights_per_pair(group: Group, kernel_size: int, trivial_input: bool) -> int:
    """Number of weights between one input field and one regular field.

    For 3 x 3 kernels this is 6 |G| between regular fields (ring 0: frequency 0; ring 1: up to 2).
    """
    space = plane(group)
    source = space.trivial_repr if trivial_input else space.regular_repr
    conv = steerable_conv(
        enn.FieldType(space, [source]),
        enn.FieldType(space, [space.regular_repr]),
        kernel_size,
        stride=1,
        padding=0,
    )
    return conv.weights.numel()


def he_standard_deviations(conv: enn.R2Conv) -> torch.Tensor:
    """Standard deviation of each weight, as in escnn's `generalized_he_init`.

    escnn walks over every weight in Python, 97 % of the time that a C16 network takes to build.
    All pairs of fields with the same two representations share one basis, so one pass over each
    basis is enough: the factor of a weight from irrep i into the output irrep o is
    1 / sqrt(number of distinct irreps that reach o * number of weights from irreps of type i to o).

    Returns:
        (number of weights,) float tensor in the order of `conv.weights`.
    """
    expansion = conv.basisexpansion
    reached_by = defaultdict(set)
    paths = Counter()
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
