"""Trunks whose cost matches that of the plain network."""

from collections.abc import Callable, Mapping
from importlib import import_module
from typing import Any

from equimorph.errors import InputError
from equimorph.groups.names import Group, parse_group
from equimorph.models.trunk import (
    Trunk,
    base_trunk,
    exact_sizes,
    head_parameters,
    match_width,
    plain_sizes,
    trunk_macs,
    trunk_parameters,
)

# Largest relative difference from the plain network's cost that counts as a match.
TOLERANCE = 0.15
# Functions on a disc of so many px whose frequencies on each ring the grid carries, by escnn's
# rule: for 3 px one at the centre, and frequencies up to 2 on the ring of radius 1.
_FUNCTIONS = {1: 1, 3: 6, 5: 11, 7: 18, 9: 31}


def functions_on(kernel_size: int) -> int:
    """Return the dimension of the functions on a kernel's disc that the pixel grid can carry."""
    return _FUNCTIONS[kernel_size]


def weights_per_pair(group: Group, kernel_size: int, trivial_input: bool) -> int:
    """Return the number of weights between one input field and one regular field.

    An equivariant kernel from an invariant to a regular field is a function on the disc for the
    unit element, which the others turn; one between regular fields is |G| of them.
    """
    return (1 if trivial_input else group.order) * functions_on(kernel_size)


def gcnn_trunk(specification: Mapping[str, Any], classes: int) -> Trunk:
    """Return the trunk of a GCNN, its fields matched to the plain network of the same trunk.

    `match: fields` keeps the numbers of fields, as the published study did: cost grows with |G|^2.
    `macs` and `parameters` scale all widths by one factor until the GCNN has as many multiply-adds
    in its convolutions, expanded to dense ones, or trainable parameters, as the CNN; `executed`
    until it executes as many, most of them sparse where the group is large. The last block keeps at
    least `features` fields: group pooling leaves one number per field, and a few numbers cannot
    tell ten classes apart.

    Raises:
        InputError: no width comes close to the plain network's cost.
    """
    if specification["match"] == "macs":
        return matched_in_macs(specification)
    if specification["match"] == "executed":
        return _matched_in_executed(specification)
    if specification["match"] == "parameters":
        return _matched_in_parameters(specification, classes)
    return base_trunk(specification)


def matched_in_macs(specification: Mapping[str, Any]) -> Trunk:
    """Return the trunk with as many multiply-adds in its convolutions as the plain network.

    Raises:
        InputError: no width comes close.
    """
    trunk, size = base_trunk(specification), specification["input_size"]
    order = parse_group(specification["group"]).order
    convolved = exact_sizes(trunk, size).convolved
    target = trunk_macs(trunk, plain_sizes(trunk, size), 1)
    return _matched(
        specification, trunk, target, lambda scaled: trunk_macs(scaled, convolved, order)
    )


def _matched_in_executed(specification: Mapping[str, Any]) -> Trunk:
    # By name: it needs torch and escnn, which the other policies do without, and no other network
    # than a GCNN, whose module imports it, depends on it.
    executed = import_module("equimorph.models.executed")
    trunk, size = base_trunk(specification), specification["input_size"]
    group = parse_group(specification["group"])
    target = trunk_macs(trunk, plain_sizes(trunk, size), 1)
    return _matched(
        specification,
        trunk,
        target,
        lambda scaled: executed.trunk_executed_macs(scaled, group, size),
    )


def _matched_in_parameters(specification: Mapping[str, Any], classes: int) -> Trunk:
    trunk, group = base_trunk(specification), parse_group(specification["group"])
    plain_stem, plain = trunk.stem_kernel_size**2, trunk.kernel_size**2
    stem = weights_per_pair(group, trunk.stem_kernel_size, trivial_input=True)
    inner = weights_per_pair(group, trunk.kernel_size, trivial_input=False)

    def parameters(trunk: Trunk, stem: int, inner: int) -> int:
        return trunk_parameters(trunk, stem, inner) + head_parameters(trunk.fields[-1], classes)

    return _matched(
        specification,
        trunk,
        parameters(trunk, plain_stem, plain),
        lambda scaled: parameters(scaled, stem, inner),
    )


def _matched(
    specification: Mapping[str, Any], trunk: Trunk, target: int, cost: Callable[[Trunk], int]
) -> Trunk:
    features = specification["features"]
    factor = match_width(lambda factor: cost(trunk.scaled(factor, features)), target)
    matched = trunk.scaled(factor, features)
    ratio = cost(matched) / target
    if abs(ratio - 1) > TOLERANCE:
        raise InputError(
            f"match {specification['match']}: {specification['group']} with the fields "
            f"{list(matched.fields)} still costs {ratio:.2f} times the plain network's; allowed is "
            f"{1 - TOLERANCE:.2f} to {1 + TOLERANCE:.2f}. Widen `fields`, pool earlier, lower "
            "`features`, or choose match fields."
        )
    return matched
