"""Compute a sparse steerable convolution: stencils, sums of two, one matrix product per irrep.

Work goes through the maps tile by tile, so that the features, 6 |G| per field and pixel for 3 x 3
kernels, never exist for a whole map. In a tile the pixels lie on one flat axis, padded so that a
shift of the image is a shift of the axis: every stencil is a sum of long shifted views. The
backward pass keeps the input alone: the adjoint carries a gradient back by the same computation,
and its features give the weights' gradient too.

The words, after the derivation in docs/irrep-convolution.md, y = Q_out W S Q_in^T f:

component
    One row of an irrep: an entry of a field in the irrep basis, Q_in^T f.
stencil
    A k x k kernel of numbers, even or odd along each axis: a ring times cos or sin of m theta.
tap
    One place of a kernel along one axis; a `TapPair` adds or subtracts two mirror-symmetric taps.
feature
    A stencil applied to a component, or the sum of two such (S). A `FeatureSum` is a slice of them.
mixing matrix
    W of one irrep: one column for each feature that it takes, one row for each component that it
    makes, each entry a learnt weight times a constant. A matrix of real type is repeated for every
    row of its irrep (`Mixing.repeats`).
sparse form
    All of this for one convolution (`SparseForm`). Its adjoint is the sparse form of the
    convolution that carries gradients back.
layout, tile, pitch
    How maps lie on the flat axis; a part of them that is worked on at once; the length of one row
    of pixels there, padding included.

Shapes: B images, C fields, n components, H x W pixels, L positions of the flat axis.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import torch

from equimorph.steerable.context import scratch
from equimorph.steerable.irrep_basis import FeatureSum, Mixing, SparseForm

# A tile's features and one temporary of a stencil: about what the outer and inner caches hold.
FEATURE_BYTES = 2**24
STENCIL_BYTES = 2**20


def ceil_div(number: int, divisor: int) -> int:
    """Return number / divisor, rounded up; of a negative number, too."""
    return -(-number // divisor)


@dataclass(frozen=True)
class Tile:
    """Some images, or some rows of one.

    Attributes:
        images: numbers of the images.
        rows: numbers of the rows of the output.
        depth: rows of memory per image.
        length: positions of the flat axis that hold the output.
    """

    images: slice
    rows: slice
    depth: int
    length: int


@dataclass(frozen=True)
class Layout:
    """How the maps of a convolution with stride 1 lie in memory.

    Neighbours share the padding between them: a row's left one is the right one of the row before,
    and an image's upper one is the lower one of the image before.

    Attributes:
        batch: number of images.
        height: rows of the output.
        width: pixels per row of the output.
        kernel_size: side of the kernel.
        padding: zeros before the first pixel of the input in each row and column.
        step: distance between neighbouring pixels of the input, with zeros between.
    """

    batch: int
    height: int
    width: int
    kernel_size: int
    padding: int
    step: int = 1

    @property
    def pitch(self) -> int:
        """Length of a row in memory, with the padding on one side: the other is the next row's."""
        return self.width + self.kernel_size - 1 - self.padding

    @property
    def depth(self) -> int:
        """Rows of a whole image in memory, likewise."""
        return self.height + self.kernel_size - 1 - self.padding

    def tiles(self, length: int, stride: int = 1) -> Iterator[Tile]:
        """Cut the output into tiles of about `length` positions, whole images if these are small.

        Args:
            length: positions that the memory has room for.
            stride: tiles begin at rows that it divides.
        """
        images = min(length // (self.depth * self.pitch), self.batch)
        if images > 1:
            for first in range(0, self.batch, images):
                last = min(first + images, self.batch)
                positions = (last - first) * self.depth * self.pitch
                yield Tile(slice(first, last), slice(0, self.height), self.depth, positions)
            return
        # As many rows as fit, in whole strides, and one stride at least.
        rows = min(max(length // self.pitch // stride, 1) * stride, self.height)
        for image in range(self.batch):
            for top in range(0, self.height, rows):
                bottom = min(top + rows, self.height)
                depth = bottom - top + self.kernel_size - 1  # the rows that its kernels reach
                positions = (bottom - top) * self.pitch
                yield Tile(slice(image, image + 1), slice(top, bottom), depth, positions)

    def load_input(self, fields: torch.Tensor, tile: Tile) -> torch.Tensor:
        """Copy what a tile reads of the input (B, C, n, H, W), as (n, C, L)."""
        height, width = fields.shape[3:]
        # Input row i lies in row `i * step + padding` of the whole memory, of which the tile's
        # begins at `tile.rows.start`. The first input row in it is the least i for which that is
        # not above the tile, hence rounded up; `offset` is the tile's row in which it lies.
        first = max(ceil_div(tile.rows.start - self.padding, self.step), 0)
        offset = first * self.step + self.padding - tile.rows.start
        # From there every `step`-th row of the tile is one, the last one counted: rounded up.
        rows = max(min(height - first, ceil_div(tile.depth - offset, self.step)), 0)
        # The last tap of the last position lies kernel_size - 1 rows and pixels further on.
        tail = (self.kernel_size - 1) * (self.pitch + 1)
        flat, image = self._memory("input", fields, tile, tile.depth, tail)
        place = image[..., offset :: self.step, self.padding :: self.step]
        some = fields[tile.images, :, :, first : first + rows]
        place[..., :rows, :width] = some.permute(2, 1, 0, 3, 4)
        return flat

    def load_output(self, fields: torch.Tensor, tile: Tile) -> torch.Tensor:
        """Copy a tile of fields (B, C, n, height, width) to where the output lies, (n, C, L).

        The positions between rows and images, where no output lies, are zero.
        """
        images = tile.images.stop - tile.images.start
        depth = tile.length // (images * self.pitch)
        flat, image = self._memory("output", fields, tile, depth, 0)
        rows = tile.rows.stop - tile.rows.start
        some = fields[tile.images, :, :, tile.rows]
        image[..., :rows, : self.width] = some.permute(2, 1, 0, 3, 4)
        return flat

    def _memory(
        self, name: str, fields: torch.Tensor, tile: Tile, depth: int, tail: int
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Return zeros for a tile, flat and as (n, C, images, depth, pitch)."""
        channels, size = fields.shape[1:3]
        images = tile.images.stop - tile.images.start
        positions = images * depth * self.pitch
        flat = scratch.take(name, (size, channels, positions + tail), fields).zero_()
        return flat, flat[..., :positions].unflatten(-1, (images, depth, self.pitch))

    def store_output(
        self, flat: torch.Tensor, tile: Tile, fields: torch.Tensor, stride: int = 1
    ) -> None:
        """Copy a tile of the output, (n, C, tile.length), into fields (B, C, n, H, W).

        Of rows and pixels every `stride`-th is kept.
        """
        images = tile.images.stop - tile.images.start
        image = flat.unflatten(-1, (images, -1, self.pitch))
        # Row r is kept if the stride divides it, as row r / stride; the tile's first row is (see
        # `tiles`). So the rows before `stop` become those before stop / stride, rounded up.
        rows = slice(ceil_div(tile.rows.start, stride), ceil_div(tile.rows.stop, stride))
        some = image[..., : tile.rows.stop - tile.rows.start : stride, : self.width : stride]
        fields[tile.images, :, :, rows] = some.permute(2, 1, 0, 3, 4)


def transform(matrix: torch.Tensor, flat: torch.Tensor, name: str) -> torch.Tensor:
    """Apply an (m, n) matrix to the components of fields (n, C, L)."""
    out = scratch.take(name, (len(matrix), *flat.shape[1:]), flat)
    torch.mm(matrix.to(flat), flat.flatten(1), out=out.view(len(matrix), -1))
    return out


@dataclass(frozen=True)
class TapPair:
    """Two mirror-symmetric taps of one axis: x[low] + sign * x[high]; x[low] where sign is 0."""

    low: int
    high: int
    sign: int

    def apply(self, flat: torch.Tensor, pitch: int, length: int, name: object) -> torch.Tensor:
        """Evaluate it at `length` positions of (..., L), neighbouring taps `pitch` apart."""
        first = flat[..., self.low * pitch : self.low * pitch + length]
        if self.sign == 0:
            return first
        second = flat[..., self.high * pitch : self.high * pitch + length]
        return torch.add(first, second, alpha=self.sign, out=scratch.take(name, first.shape, first))

    def shares_parity(self, stencil: torch.Tensor, axis: int) -> bool:
        """Tell whether a stencil that is even or odd along `axis` may contain this pair."""
        return self.sign == 0 or torch.equal(stencil.flip(axis), self.sign * stencil)


def tap_pairs(kernel_size: int) -> list[TapPair]:
    """Return pairs, each even or odd, that every function on the taps of one axis is a sum of."""
    middle = [TapPair(kernel_size // 2, kernel_size // 2, 0)] if kernel_size % 2 else []
    pairs = [(low, kernel_size - 1 - low) for low in range(kernel_size // 2)]
    return middle + [TapPair(low, high, sign) for low, high in pairs for sign in (1, -1)]


class Stencils:
    """Stencils as few additions: shared sums along rows, then along columns, then of both."""

    def __init__(self, stencils: torch.Tensor):
        """Split stencils (H, k, k), each even or odd along each axis."""
        axis = tap_pairs(stencils.shape[1])
        self.horizontals: list[TapPair] = []
        self.products: list[tuple[TapPair, TapPair]] = []
        self.sums: list[list[tuple[float, int]]] = []
        for stencil in stencils:
            terms = []
            for vertical in axis:
                for horizontal in axis:
                    factor = stencil[vertical.low, horizontal.low].item()
                    if (
                        factor != 0
                        and vertical.shares_parity(stencil, 0)
                        and horizontal.shares_parity(stencil, 1)
                    ):
                        terms.append((factor, self._product(vertical, horizontal)))
            # The largest factor, mostly 1, first: the others scale while they are added.
            self.sums.append(sorted(terms, reverse=True))

    def _product(self, vertical: TapPair, horizontal: TapPair) -> int:
        if horizontal not in self.horizontals:
            self.horizontals.append(horizontal)
        if (vertical, horizontal) not in self.products:
            self.products.append((vertical, horizontal))
        return self.products.index((vertical, horizontal))

    @property
    def operations(self) -> int:
        """Number of tensor operations."""
        sums = sum(len(terms) - (terms[0][0] == 1) for terms in self.sums)
        pairs = [*self.horizontals, *(vertical for vertical, _ in self.products)]
        return sums + sum(pair.sign != 0 for pair in pairs)

    def apply(self, flat: torch.Tensor, pitch: int, length: int) -> list[torch.Tensor]:
        """Return the output of every stencil at the first `length` positions of (n, C, L)."""
        # All that the vertical pairs will ask for: the positions whose horizontal taps are there.
        reach = flat.shape[-1] - max(pair.high for pair in self.horizontals)
        along_rows = {pair: pair.apply(flat, 1, reach, pair) for pair in self.horizontals}
        products = [
            vertical.apply(along_rows[horizontal], pitch, length, (vertical, horizontal))
            for vertical, horizontal in self.products
        ]
        return [self._sum(number, products) for number in range(len(self.sums))]

    def _sum(self, number: int, products: Sequence[torch.Tensor]) -> torch.Tensor:
        (factor, index), *rest = self.sums[number]
        total = products[index]
        if factor == 1 and not rest:
            return total
        out = scratch.take(("sum", number), total.shape, total)
        if factor != 1:
            total = torch.mul(total, factor, out=out)
        for factor, index in rest:
            total = torch.add(total, products[index], alpha=factor, out=out)
        return total


def add_terms(
    feature_sum: FeatureSum, outputs: Sequence[torch.Tensor], features: torch.Tensor
) -> None:
    """Compute one slice of the features from the outputs of the stencils."""
    out = features[feature_sum.features]
    (stencil, where, sign), *rest = feature_sum.terms
    first = outputs[stencil][where]
    if rest:
        ((stencil, where, other),) = rest
        torch.add(first, outputs[stencil][where], alpha=sign * other, out=out)
        if sign < 0:
            out.neg_()
    elif sign > 0:
        out.copy_(first)
    else:
        torch.neg(first, out=out)


def each_repeat(
    mixing: Mixing, features: torch.Tensor, outputs: torch.Tensor
) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
    """Yield the features and outputs of each repeat of a mixing matrix, (rows * C, L)."""
    for repeat in range(mixing.repeats):
        source = mixing.features + repeat * mixing.columns
        target = mixing.outputs + repeat * mixing.rows
        yield (
            features[source : source + mixing.columns].flatten(0, 1),
            outputs[target : target + mixing.rows].flatten(0, 1),
        )


class SparseConvolution:
    """A sparse form made ready to run."""

    def __init__(self, form: SparseForm):
        self.form = form
        self.stencils = Stencils(form.stencils)
        self.kernel_size = form.stencils.shape[1]

    @property
    def operations(self) -> int:
        """Elementwise operations per field and pixel, times their length."""
        return len(self.form.to_irreps) * self.stencils.operations + self.form.features

    @property
    def calls(self) -> int:
        """Tensor operations per tile."""
        products = sum(mixing.repeats for mixing in self.form.mixings)
        return self.stencils.operations + len(self.form.sums) + products

    def entries(self, weights: torch.Tensor) -> list[torch.Tensor]:
        """Return the entries of every mixing matrix, (rows, columns, C_out, C_in).

        Args:
            weights: (C_out, C_in, number of basis kernels).
        """
        by_kernel = weights.flatten(0, 1).t().contiguous().unflatten(1, weights.shape[:2])
        return [
            by_kernel[mixing.weight.flatten()].unflatten(0, mixing.weight.shape)
            * mixing.scale.to(weights)[..., None, None]
            for mixing in self.form.mixings
        ]

    def matrices(self, weights: torch.Tensor, dtype: torch.dtype) -> list[torch.Tensor]:
        """Return every mixing matrix, (rows * C_out, columns * C_in)."""
        return [
            entries.permute(0, 2, 1, 3).to(dtype).flatten(2).flatten(0, 1)
            for entries in self.entries(weights)
        ]

    def adjoint_matrices(self, weights: torch.Tensor, dtype: torch.dtype) -> list[torch.Tensor]:
        """Return the mixing matrices of an adjoint, transposed: (columns * C_out, rows * C_in)."""
        return [
            entries.permute(1, 2, 0, 3).to(dtype).flatten(2).flatten(0, 1)
            for entries in self.entries(weights)
        ]

    def weight_gradient(
        self, matrices: Sequence[torch.Tensor], weights: torch.Tensor
    ) -> torch.Tensor:
        """Carry gradients of the adjoint's transposed matrices back to `weights`."""
        channels_out, channels_in, kernels = weights.shape
        by_kernel = matrices[0].new_zeros(kernels, channels_out, channels_in)
        for mixing, matrix in zip(self.form.mixings, matrices, strict=True):
            parts = matrix.view(mixing.columns, channels_out, mixing.rows, channels_in)
            parts = parts.permute(2, 0, 1, 3) * mixing.scale.to(matrix)[..., None, None]
            by_kernel.index_add_(0, mixing.weight.flatten().to(matrix.device), parts.flatten(0, 1))
        return by_kernel.flatten(1).t().to(weights.dtype).contiguous().view_as(weights)

    def tile_length(self, channels: int, like: torch.Tensor) -> int:
        """Number of pixels whose features fill the memory for them."""
        return max(FEATURE_BYTES // (self.form.features * channels * like.element_size()), 1)

    def features(self, fields: torch.Tensor, layout: Layout, tile: Tile) -> torch.Tensor:
        """Return the features of a tile of fields (B, C, n, H, W), as (features, C, L)."""
        flat = layout.load_input(fields, tile)
        components = transform(self.form.to_irreps, flat, "components")
        size, channels, _ = components.shape
        shape = self.form.features, channels, tile.length
        features = scratch.take("features", shape, components)
        bytes_per_channel = size * tile.length * components.element_size()
        at_once = max(STENCIL_BYTES // bytes_per_channel, 1)
        for first in range(0, channels, at_once):
            some = slice(first, first + at_once)
            outputs = self.stencils.apply(components[:, some], layout.pitch, tile.length)
            for feature_sum in self.form.sums:
                add_terms(feature_sum, outputs, features[:, some])
        return features

    def convolve(
        self, fields: torch.Tensor, matrices: Sequence[torch.Tensor], padding: int, stride: int
    ) -> torch.Tensor:
        """Convolve fields (B, C_in, n_in, H, W) to (B, C_out, n_out, H', W').

        Args:
            fields: the input.
            matrices: what `matrices` returns, in the precision of the input.
            padding: zeros on each side, at most kernel size - 1.
            stride: step between output pixels; those between are computed and left out.
        """
        batch, channels, _, *extents = fields.shape
        height, width = (extent + 2 * padding - self.kernel_size + 1 for extent in extents)
        layout = Layout(batch, height, width, self.kernel_size, padding)
        target, source = self.form.from_irreps.shape
        outputs = len(matrices[0]) // self.form.mixings[0].rows
        # The first of each `stride` rows and pixels is kept, of an incomplete last one too.
        strided = (ceil_div(extent, stride) for extent in (height, width))
        convolved = fields.new_empty(batch, outputs, target, *strided)
        for tile in layout.tiles(self.tile_length(channels, fields), stride):
            features = self.features(fields, layout, tile)
            mixed = scratch.take("mixed", (source, outputs, tile.length), fields)
            for mixing, matrix in zip(self.form.mixings, matrices, strict=True):
                for left, right in each_repeat(mixing, features, mixed):
                    torch.mm(matrix, left, out=right)
            result = transform(self.form.from_irreps, mixed, "result")
            layout.store_output(result, tile, convolved, stride)
        return convolved

    def backpropagate(
        self,
        gradient: torch.Tensor,
        fields: torch.Tensor,
        weights: torch.Tensor,
        padding: int,
        stride: int,
        needs: Sequence[bool],
    ) -> tuple[torch.Tensor | None, torch.Tensor | None]:
        """Return the gradients of the fields and of the weights; `self` is the adjoint.

        The sum over pixels of (features of the gradient) x (input) is the gradient of the adjoint's
        matrices, which hold the same weights.

        Args:
            gradient: (B, C_out, n_out, H', W') of the convolution's output.
            fields: (B, C_in, n_in, H, W), the convolution's input.
            weights: (C_out, C_in, number of basis kernels).
            padding: the convolution's padding.
            stride: the convolution's stride.
            needs: whether the gradient of the fields and that of the weights are asked for; None is
                returned in place of one that is not.
        """
        batch, channels, _, height, width = fields.shape
        opposite = self.kernel_size - 1 - padding
        layout = Layout(batch, height, width, self.kernel_size, opposite, stride)
        matrices = self.adjoint_matrices(weights, fields.dtype)
        exact = torch.promote_types(weights.dtype, torch.float32)
        sums = [torch.zeros_like(matrix, dtype=exact) for matrix in matrices]
        of_fields = torch.empty_like(fields) if needs[0] else None
        for tile in layout.tiles(self.tile_length(gradient.shape[1], gradient)):
            features = self.features(gradient, layout, tile)
            if of_fields is not None:
                shape = self.form.from_irreps.shape[1], channels, tile.length
                mixed = scratch.take("mixed", shape, fields)
                for mixing, matrix in zip(self.form.mixings, matrices, strict=True):
                    for left, right in each_repeat(mixing, features, mixed):
                        torch.mm(matrix.t(), left, out=right)
                result = transform(self.form.from_irreps, mixed, "result")
                layout.store_output(result, tile, of_fields)
            if needs[1]:
                inputs = layout.load_output(fields, tile)
                inputs = transform(self.form.from_irreps.t(), inputs, "mixed")
                for mixing, total in zip(self.form.mixings, sums, strict=True):
                    for left, right in each_repeat(mixing, features, inputs):
                        add_product(total, left, right.t())
        return of_fields, self.weight_gradient(sums, weights) if needs[1] else None


def add_product(total: torch.Tensor, left: torch.Tensor, right: torch.Tensor) -> None:
    """Add a matrix product; a sum of many chunks stays in the precision of `total`."""
    if total.dtype == left.dtype:
        torch.addmm(total, left, right, out=total)
    else:
        total += left @ right


class SparseConvolutionFunction(torch.autograd.Function):
    """The sparse convolution and its gradients."""

    @staticmethod
    def forward(
        ctx: Any,
        fields: torch.Tensor,
        weights: torch.Tensor,
        convolution: SparseConvolution,
        adjoint: SparseConvolution,
        padding: int,
        stride: int,
    ) -> torch.Tensor:
        """Convolve; see `SparseConvolution.convolve` for the arguments."""
        ctx.save_for_backward(fields, weights)
        ctx.adjoint = adjoint, padding, stride
        matrices = convolution.matrices(weights, fields.dtype)
        return convolution.convolve(fields, matrices, padding, stride)

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: Any, gradient: torch.Tensor) -> tuple[torch.Tensor | None, ...]:
        """Carry the gradient back."""
        adjoint, padding, stride = ctx.adjoint
        needs = ctx.needs_input_grad[:2]
        found = adjoint.backpropagate(gradient, *ctx.saved_tensors, padding, stride, needs)
        return (*found, None, None, None, None)
