"""The kernels of a steerable convolution in the basis of irreducible representations.

There every basis kernel of escnn has one small block, between one irrep of the input and one of
the output, and each entry of it is a multiple of one stencil: a ring times cos or sin of m theta.
This module reads the blocks and turns them into a `SparseForm`: which sums of stencils of which
components make the features, and which weights mix them. Derivation: docs/irrep-convolution.md;
glossary: `irrep_product`.
"""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch

# escnn samples its kernels in float32: entries differ from the ideal ones by up to 1e-6.
NOISE = 1e-5


class NotSparse(Exception):
    """The basis kernels lack the structure that this module needs."""


@dataclass(frozen=True)
class Component:
    """One row of a representation in its irrep basis.

    Attributes:
        irrep: type of the irrep, as escnn names it.
        copy: number of the irrep among equal ones of the representation.
        row: number of the row inside the irrep.
    """

    irrep: tuple
    copy: int
    row: int


@dataclass(frozen=True, order=True)
class Term:
    """A stencil applied to a component of the input, with a sign."""

    stencil: int
    component: int
    sign: int

    def times(self, sign: int) -> "Term":
        """Return the term with its sign multiplied."""
        return Term(self.stencil, self.component, sign * self.sign)


@dataclass(frozen=True)
class FeatureSum:
    """Features that one tensor operation computes: equal sums of stencils, of other components.

    Attributes:
        features: rows of the feature tensor.
        terms: (stencil, components, sign) of the one or two summands; one component per feature.
    """

    features: slice
    terms: tuple[tuple[int, slice, int], ...]


@dataclass(frozen=True)
class Mixing:
    """The matrix W of one irrep of the output: it mixes features into all copies of that irrep.

    Attributes:
        features: its first row in the feature tensor, of repeats * columns.
        outputs: its first row in the output in the irrep basis, of repeats * rows.
        repeats: number of times that the matrix is applied: the dimension of a real-type irrep,
            else 1.
        weight: (rows, columns) the basis kernel whose weight stands in that entry.
        scale: (rows, columns) the factor on that weight; 0 where the entry is 0.
    """

    features: int
    outputs: int
    repeats: int
    weight: torch.Tensor
    scale: torch.Tensor

    @property
    def rows(self) -> int:
        """Output components per repeat."""
        return self.weight.shape[0]

    @property
    def columns(self) -> int:
        """Features per repeat."""
        return self.weight.shape[1]


@dataclass(frozen=True)
class SparseForm:
    """A convolution between two fields as Q_out W S Q_in^T.

    Attributes:
        stencils: (H, k, k), each even or odd along each axis.
        to_irreps: Q_in^T, (n_in, n_in), from the input field to the components that `sums` counts.
        from_irreps: Q_out, (n_out, at most n_out), from the outputs of `mixings` to the output
            field.
        features: number of features per input field.
        sums: S, how the features follow from the components.
        mixings: W, how the outputs follow from the features, irrep by irrep.
    """

    stencils: torch.Tensor
    to_irreps: torch.Tensor
    from_irreps: torch.Tensor
    features: int
    sums: tuple[FeatureSum, ...]
    mixings: tuple[Mixing, ...]

    @property
    def mixing_macs(self) -> int:
        """Multiply-adds of the mixing matrices per pair of fields and pixel."""
        return sum(mixing.repeats * mixing.rows * mixing.columns for mixing in self.mixings)


def components(representation: Any) -> list[Component]:
    """Return the components of escnn's `representation`, in the order of its change of basis."""
    copies: dict[tuple, int] = defaultdict(int)
    found = []
    for irrep in representation.irreps:
        size = representation.group.irrep(*irrep).size
        found += [Component(irrep, copies[irrep], row) for row in range(size)]
        copies[irrep] += 1
    return found


def sparse_forms(kernels: torch.Tensor, source: Any, target: Any) -> tuple[SparseForm, SparseForm]:
    """Find the sparse form of a convolution and of its adjoint, which backpropagates.

    Args:
        kernels: (B, n_out, n_in, k * k) basis kernels of a pair of fields, as escnn samples them.
        source: escnn's representation of the input field.
        target: escnn's representation of the output field.

    Raises:
        NotSparse: the kernels are not multiples of stencils in the irrep basis, or a change of
            basis is not orthogonal.
    """
    into, out_of = (torch.from_numpy(end.change_of_basis).double() for end in (target, source))
    for change in (into, out_of):
        if not torch.allclose(change.T @ change, torch.eye(len(change)).double(), atol=NOISE):
            raise NotSparse("a change of basis is not orthogonal")
    in_irreps = torch.einsum("ro,brcp,ci->boip", into, kernels.double(), out_of)
    stencils, entries, scales = _read(in_irreps)
    form = _sparse_form(entries, scales, stencils, source, target)
    adjoint = _sparse_form(_adjoint(entries, stencils), scales, stencils, target, source)
    return form, adjoint


# One basis kernel: output component -> the terms that add up to it.
Entries = dict[int, tuple[Term, ...]]


def _read(kernels: torch.Tensor) -> tuple[torch.Tensor, list[Entries], list[float]]:
    """Express basis kernels (B, n_out, n_in, k * k) in the irrep basis by stencils.

    Returns:
        The stencils (H, k, k), and for each kernel its terms and one factor on all of them.
    """
    stencils: list[torch.Tensor] = []
    expressed, scales = [], []
    for kernel in kernels:
        where = (kernel.abs().amax(dim=2) > NOISE).nonzero().tolist()
        entries = [_symmetric(kernel[output, component]) for output, component in where]
        # cos and sin of one frequency differ in size on the grid: one scale keeps their ratio.
        known = (_match(entry, stencils) for entry in entries)
        scale = next((abs(factor) for _, factor in filter(None, known)), None)
        scale = scale or max(entry.abs().max().item() for entry in entries)
        terms = defaultdict(list)
        for (output, component), entry in zip(where, entries, strict=True):
            match = _match(entry, stencils)
            if match is None:
                # Mostly exactly 1 at the largest entry, which saves a multiplication.
                size = entry.abs().max().item()
                unit = size if abs(size / scale - 1) < NOISE else scale
                match = len(stencils), unit
                stencils.append(entry / unit)
            index, factor = match
            if abs(abs(factor) / scale - 1) > NOISE:
                raise NotSparse("the entries of a basis kernel differ in size")
            terms[output].append(Term(index, component, 1 if factor > 0 else -1))
        expressed.append({output: tuple(sorted(found)) for output, found in terms.items()})
        scales.append(scale)
    return torch.stack(stencils), expressed, scales


def _match(entry: torch.Tensor, stencils: list[torch.Tensor]) -> tuple[int, float] | None:
    """Return the stencil that `entry` is a multiple of, and the factor."""
    for index, stencil in enumerate(stencils):
        factor = (entry * stencil).sum() / stencil.square().sum()
        if (entry - factor * stencil).abs().max() < NOISE * entry.abs().max():
            return index, factor.item()
    return None


def _symmetric(entry: torch.Tensor) -> torch.Tensor:
    """Return the (k * k) entry as (k, k), exactly even or odd along each axis.

    Raises:
        NotSparse: it is neither.
    """
    side = round(entry.numel() ** 0.5)
    stencil = entry.reshape(side, side)
    for axis in (0, 1):
        halves = [(stencil + sign * stencil.flip(axis)) / 2 for sign in (1, -1)]
        stencil = max(halves, key=lambda half: half.abs().max())
    if (stencil - entry.reshape(side, side)).abs().max() > NOISE * stencil.abs().max():
        raise NotSparse("an entry of a basis kernel has no parity")
    return torch.where(stencil.abs() < NOISE * stencil.abs().max(), 0, stencil)


def _adjoint(entries: Sequence[Entries], stencils: torch.Tensor) -> list[Entries]:
    """Transpose every kernel in the components and reflect it at its centre."""
    flipped = stencils.flip(1, 2)
    parity = [1 if torch.equal(a, b) else -1 for a, b in zip(stencils, flipped, strict=True)]
    adjoint = []
    for kernel in entries:
        terms = defaultdict(list)
        for output, row in kernel.items():
            for term in row:
                sign = term.sign * parity[term.stencil]
                terms[term.component].append(Term(term.stencil, output, sign))
        adjoint.append({output: tuple(sorted(found)) for output, found in terms.items()})
    return adjoint


def _sparse_form(
    entries: Sequence[Entries],
    scales: Sequence[float],
    stencils: torch.Tensor,
    source: Any,
    target: Any,
) -> SparseForm:
    """Collect the features of every irrep of `target` and the weights that mix them."""
    positions: dict[tuple, list[list[int]]] = defaultdict(list)
    for position, component in enumerate(components(target)):
        copies = positions[component.irrep]
        if component.copy == len(copies):
            copies.append([])
        copies[component.copy].append(position)

    features: list[tuple[Term, ...]] = []
    outputs: list[int] = []
    mixings = []
    for copies in positions.values():
        columns, weight, scale = _couple(copies, entries, scales)
        if not columns:
            continue
        repeats = len(columns[0])
        mixings.append(Mixing(len(features), len(outputs), repeats, weight, scale))
        features += [column[repeat] for repeat in range(repeats) for column in columns]
        if repeats > 1:
            outputs += [copy[row] for row in range(repeats) for copy in copies]
        else:
            outputs += [position for copy in copies for position in copy]

    # All first rows, then all second rows: equal steps from one frequency to the next.
    inputs = components(source)
    order = sorted(range(len(inputs)), key=lambda i: (inputs[i].row, i))
    place = {component: place for place, component in enumerate(order)}
    return SparseForm(
        stencils,
        torch.from_numpy(source.change_of_basis).double().T[order],
        torch.from_numpy(target.change_of_basis).double()[:, outputs],
        len(features),
        tuple(_feature_sums(features, place)),
        tuple(mixings),
    )


# The features that one column of a mixing matrix takes, one per repeat.
Column = tuple[tuple[Term, ...], ...]


def _couple(
    copies: Sequence[Sequence[int]], entries: Sequence[Entries], scales: Sequence[float]
) -> tuple[list[Column], torch.Tensor, torch.Tensor]:
    """Find the features that reach one irrep and the weights that couple them to its copies.

    An irrep of real type needs one matrix for all its rows (Schur's lemma): row r of every copy is
    the same mixture of features, each taken in its own row r. One of complex type mixes the rows.

    Returns:
        The columns, sorted; the index of the weight and the factor on it, each (rows, columns).
    """
    shared: dict[Column, list[tuple[int, int, float]]] = defaultdict(list)
    single: dict[Column, list[tuple[int, int, float]]] = defaultdict(list)
    for copy, rows in enumerate(copies):
        for index, kernel in enumerate(entries):
            if not any(row in kernel for row in rows):
                continue
            features = tuple(kernel.get(row, ()) for row in rows)
            sign, column = _without_sign(features)
            shared[column].append((copy, index, sign * scales[index]))
            for row, feature in enumerate(features):
                sign, column = _without_sign((feature,))
                single[column].append((copy * len(rows) + row, index, sign * scales[index]))
    dimension = len(copies[0])
    if dimension > 1 and len(shared) * dimension == len(single):
        return _tables(shared, len(copies))
    return _tables(single, len(copies) * dimension)


def _without_sign(features: Column) -> tuple[int, Column]:
    """Return the sign of the first term, and the column divided by it."""
    sign = features[0][0].sign
    return sign, tuple(tuple(term.times(sign) for term in feature) for feature in features)


def _tables(
    couplings: dict[Column, list[tuple[int, int, float]]], rows: int
) -> tuple[list[Column], torch.Tensor, torch.Tensor]:
    """Write (row, basis kernel, factor) of each column as two tables."""
    columns = sorted(couplings)
    weight = torch.zeros(rows, len(columns), dtype=torch.long)
    scale = torch.zeros(rows, len(columns), dtype=torch.float64)
    for number, column in enumerate(columns):
        for row, index, factor in couplings[column]:
            if scale[row, number] != 0:
                raise NotSparse("two weights share one entry of the mixing matrix")
            weight[row, number], scale[row, number] = index, factor
    return columns, weight, scale


def _feature_sums(features: Sequence[tuple[Term, ...]], place: dict[int, int]) -> list[FeatureSum]:
    """Group the features into as few tensor operations as slices with equal steps allow."""
    kinds = defaultdict(list)
    for row, terms in enumerate(features):
        if len(terms) > 2:
            raise NotSparse("a feature is the sum of more than two terms")
        # The positive term first: torch.add takes a sign for its second summand only.
        ordered = sorted(terms, key=lambda term: (-term.sign, term.stencil))
        kind = tuple((term.stencil, term.sign) for term in ordered)
        kinds[kind].append((row, *(place[term.component] for term in ordered)))
    return [
        FeatureSum(
            steps[0],
            tuple((h, where, s) for (h, s), where in zip(kind, steps[1:], strict=True)),
        )
        for kind, points in kinds.items()
        for steps in _progressions(points)
    ]


def _progressions(points: Sequence[tuple[int, ...]]) -> list[tuple[slice, ...]]:
    """Split integer points into arithmetic progressions, greedily, the longest first."""
    left = set(points)
    found = []
    while left:
        best = max(
            (
                _extend(start, tuple(b - a for a, b in zip(start, second, strict=True)), left)
                for start in left
                for second in left
                if second > start
            ),
            key=len,
            default=[min(left)],
        )
        left -= set(best)
        found.append(tuple(_slice(axis) for axis in zip(*best, strict=True)))
    return found


def _extend(
    start: tuple[int, ...], step: tuple[int, ...], points: set[tuple[int, ...]]
) -> list[tuple[int, ...]]:
    """Return the progression from `start` on, as long as its points are there."""
    if min(step) <= 0:
        return [start]
    reached = [start]
    while (following := tuple(a + b for a, b in zip(reached[-1], step, strict=True))) in points:
        reached.append(following)
    return reached


def _slice(axis: Sequence[int]) -> slice:
    step = axis[1] - axis[0] if len(axis) > 1 else 1
    return slice(axis[0], axis[-1] + 1, step)
