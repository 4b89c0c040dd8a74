"""Kernels between regular fields, each orbit of them stored once.

A kernel of an equivariant network that maps to the field's channel `h g` is the one that maps to
the channel `g`, moved by `h`. Quarter turns and mirror images only move pixels, so the filters of a
D4 network are stored in an eighth of their size, those of C4 in a quarter, without loss.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch

from equimorph.groups.names import Group

SCALARS = 3  # colours, which no move permutes
TOLERANCE = 1e-5  # of the largest weight; expanding a basis rounds to some 1e-7


@dataclass(frozen=True)
class Move:
    """An element of a group that only moves pixels, and how it permutes a regular field.

    Attributes:
        flip: whether columns are reversed first.
        turns: quarter turns that follow, anticlockwise as displayed, like `rot90`.
        permutation: the channel g of a regular field goes to the channel `permutation[g]`.
    """

    flip: bool
    turns: int
    permutation: tuple[int, ...]

    def pixels(self, kernels: torch.Tensor) -> torch.Tensor:
        """Move the pixels of kernels (..., k, k)."""
        return (kernels.flip(-1) if self.flip else kernels).rot90(self.turns, (-2, -1))


def moves(group: Group) -> list[Move]:
    """Return the elements of a group that only move pixels, the identity first.

    Channels stand in escnn's order: the rotations, then the rotations after the reflection.
    """
    n, elements = group.rotations, _elements(group)
    number = {element: index for index, element in enumerate(elements)}
    exact = [(flip, turn) for flip, turn in elements if 4 * turn % n == 0]
    return [
        Move(flip, 4 * turn // n, tuple(number[_times((flip, turn), e, n)] for e in elements))
        for flip, turn in exact
    ]


def _elements(group: Group) -> list[tuple[bool, int]]:
    flips = (False, True) if group.reflections else (False,)
    return [(flip, turn) for flip in flips for turn in range(group.rotations)]


def _times(one: tuple[bool, int], other: tuple[bool, int], n: int) -> tuple[bool, int]:
    """Return the product of two elements, each a rotation after a reflection or none."""
    (flip, turn), (other_flip, other_turn) = one, other
    return flip != other_flip, (turn + (-other_turn if flip else other_turn)) % n


def expand(stored: torch.Tensor, symmetry: Sequence[Move]) -> torch.Tensor:
    """Return all kernels, (targets, sources, k, k), of those that `reduced` keeps.

    Args:
        stored: the kernels that map to the first channel of each orbit, in order.
        symmetry: the moves of the group, the identity first.
    """
    size = len(symmetry[0].permutation)
    first = _first_of_orbits(symmetry)
    fields, sources = len(stored) // len(first), stored.shape[1]
    kernels = stored.new_empty(fields, size, *stored.shape[1:])
    parts = stored.unflatten(0, (fields, len(first)))
    for move in symmetry:
        target = [move.permutation[channel] for channel in first]
        kernels[:, target] = move.pixels(parts)[:, :, _before(move, sources)]
    return kernels.flatten(0, 1)


def reduced(kernels: torch.Tensor, symmetry: Sequence[Move]) -> torch.Tensor | None:
    """Return what `expand` needs to make these kernels, None where they have no such symmetry.

    Args:
        kernels: (targets, sources, k, k), from regular fields or from 3 scalar ones.
        symmetry: the moves of the group, the identity first.
    """
    size = len(symmetry[0].permutation)
    targets, sources = kernels.shape[:2]
    if targets % size or (sources != SCALARS and sources % size):
        return None
    first = _first_of_orbits(symmetry)
    stored = kernels.unflatten(0, (-1, size))[:, first].flatten(0, 1)
    error = (expand(stored, symmetry) - kernels).abs().max()
    return stored if error <= TOLERANCE * kernels.abs().max() else None


def _first_of_orbits(symmetry: Sequence[Move]) -> list[int]:
    orbits = zip(*(move.permutation for move in symmetry), strict=True)
    return [channel for channel, orbit in enumerate(orbits) if channel == min(orbit)]


def _before(move: Move, sources: int) -> list[int]:
    """Return which source channel comes to each place."""
    if sources == SCALARS:
        return list(range(sources))
    size = len(move.permutation)
    inverse = sorted(range(size), key=move.permutation.__getitem__)
    return [field + channel for field in range(0, sources, size) for channel in inverse]
