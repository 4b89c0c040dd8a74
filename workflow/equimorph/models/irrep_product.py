"""Compute a sparse steerable convolution: stencils, sums of two, one matrix product per irrep.

Maps lie on one flat axis of pixels, padded so that a shift of the image is a shift of the axis:
every stencil is then a sum of long shifted views, whatever the size of the map and of the batch.
Work goes through the axis in chunks, so that the features, 6 |G| per field and pixel for 3 x 3
kernels, never exist for a whole map. The backward pass keeps the input alone: the adjoint route
carries a gradient back by the same computation, and its features give the weights' gradient too.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

import torch

from equimorph.models.irrep_basis import Block, Route

# Numbers in a chunk of features and in one temporary of a stencil: about what caches hold.
FEATURE_CHUNK = 2**22
STENCIL_CHUNK = 2**18


@dataclass(frozen=True)
class Grid:
    """The flat axis of pixels; neighbours share the padding between them.

    Attributes:
        batch: number of images.
        rows: rows per image, with the padding above it.
        pitch: pixels per row, with the padding at its left.
    """

    batch: int
    rows: int
    pitch: int

    @property
    def length(self) -> int:
        """Number of pixels."""
        return self.batch * self.rows * self.pitch

    def image(self, flat: torch.Tensor) -> torch.Tensor:
        """View a tensor (..., at least length) as (..., batch, rows, pitch)."""
        return flat[..., : self.length].unflatten(-1, (self.batch, self.rows, self.pitch))


def lay_out(
    fields: torch.Tensor, grid: Grid, padding: int = 0, step: int = 1, margin: int = 0
) -> torch.Tensor:
    """Copy fields onto the flat axis, zero elsewhere.

    Args:
        fields: (B, C, n, H, W).
        grid: where they go.
        padding: row and column of the first pixel.
        step: distance between neighbouring pixels on the grid.
        margin: zeros after the last image.

    Returns:
        (n, C, grid.length + margin).
    """
    _, channels, size, height, width = fields.shape
    flat = fields.new_zeros(size, channels, grid.length + margin)
    rows, columns = (slice(padding, padding + step * extent, step) for extent in (height, width))
    grid.image(flat)[..., rows, columns] = fields.permute(2, 1, 0, 3, 4)
    return flat


def pick_up(flat: torch.Tensor, grid: Grid, height: int, width: int, step: int = 1) -> torch.Tensor:
    """Copy fields (n, C, grid.length) from the flat axis to (B, C, n, height, width)."""
    image = grid.image(flat)[..., : step * height : step, : step * width : step]
    return image.permute(2, 1, 0, 3, 4).contiguous()


def transform(matrix: torch.Tensor, flat: torch.Tensor) -> torch.Tensor:
    """Apply an (m, n) matrix to every field of (n, C, L)."""
    return (matrix.to(flat) @ flat.flatten(1)).unflatten(1, flat.shape[1:])


@dataclass(frozen=True)
class Taps:
    """A function on the taps of one axis, even or odd: x[low] + sign * x[high]; sign 0: x[low]."""

    low: int
    high: int
    sign: int

    def apply(self, flat: torch.Tensor, pitch: int, length: int, out: "Scratch") -> torch.Tensor:
        """Evaluate it at `length` positions of (..., L), its taps `pitch` apart."""
        first = flat[..., self.low * pitch : self.low * pitch + length]
        if self.sign == 0:
            return first
        second = flat[..., self.high * pitch : self.high * pitch + length]
        return torch.add(first, second, alpha=self.sign, out=out.take(first.shape))


def axis_functions(kernel_size: int) -> list[Taps]:
    """Return a basis of the functions on the taps of one axis, each even or odd."""
    middle = [Taps(kernel_size // 2, kernel_size // 2, 0)] if kernel_size % 2 else []
    pairs = [(low, kernel_size - 1 - low) for low in range(kernel_size // 2)]
    return middle + [Taps(low, high, sign) for low, high in pairs for sign in (1, -1)]


class Scratch:
    """Memory handed out again and again: fresh pages cost more than the arithmetic on them."""

    def __init__(self, like: torch.Tensor):
        self.like = like
        self.buffers: list[torch.Tensor] = []
        self.used = 0

    def reset(self) -> None:
        """Take all memory back."""
        self.used = 0

    def take(self, shape: Sequence[int]) -> torch.Tensor:
        """Return an uninitialised tensor."""
        count = torch.Size(shape).numel()
        if self.used == len(self.buffers):
            self.buffers.append(self.like.new_empty(count))
        if self.buffers[self.used].numel() < count:
            self.buffers[self.used] = self.like.new_empty(count)
        buffer = self.buffers[self.used]
        self.used += 1
        return buffer[:count].view(shape)


class Stencils:
    """Apply stencils that are even or odd along each axis."""

    def __init__(self, stencils: torch.Tensor):
        """Split every stencil, of (H, k, k), into products of one function per axis."""
        self.kernel_size = stencils.shape[1]
        axis = axis_functions(self.kernel_size)
        self.sums = []
        for stencil in stencils:
            terms = [
                (stencil[vertical.low, horizontal.low].item(), vertical, horizontal)
                for vertical in axis
                for horizontal in axis
                if _shares_parity(stencil, vertical, horizontal)
            ]
            terms = [term for term in terms if term[0] != 0]
            # The largest factor, mostly 1, first: the others scale while they are added.
            self.sums.append(sorted(terms, key=lambda term: -term[0]))
        used = {(v, h) for terms in self.sums for _, v, h in terms}
        columns = {h for _, h in used}
        self.operations = (
            sum(taps.sign != 0 for taps in columns)
            + sum(vertical.sign != 0 for vertical, _ in used)
            + sum(len(terms) - (terms[0][0] == 1) for terms in self.sums)
        )

    def apply(
        self, flat: torch.Tensor, pitch: int, length: int, scratch: Scratch
    ) -> list[torch.Tensor]:
        """Return the output of every stencil at the first `length` positions of (n, C, L)."""
        scratch.reset()
        reach = length + (self.kernel_size - 1) * pitch
        columns: dict[Taps, torch.Tensor] = {}
        products: dict[tuple[Taps, Taps], torch.Tensor] = {}
        outputs = []
        for terms in self.sums:
            output = None
            for factor, vertical, horizontal in terms:
                if horizontal not in columns:
                    columns[horizontal] = horizontal.apply(flat, 1, reach, scratch)
                product = products.get((vertical, horizontal))
                if product is None:
                    product = vertical.apply(columns[horizontal], pitch, length, scratch)
                    products[vertical, horizontal] = product
                if output is not None:
                    own = output if owned else scratch.take(product.shape)
                    output, owned = torch.add(output, product, alpha=factor, out=own), True
                elif factor != 1:
                    own = scratch.take(product.shape)
                    output, owned = torch.mul(product, factor, out=own), True
                else:
                    output, owned = product, False
            outputs.append(output)
        return outputs


def _shares_parity(stencil: torch.Tensor, vertical: Taps, horizontal: Taps) -> bool:
    return all(
        taps.sign == 0 or torch.equal(stencil.flip(axis), taps.sign * stencil)
        for axis, taps in ((0, vertical), (1, horizontal))
    )


class Product:
    """A route made ready to run on one device in one precision."""

    def __init__(self, route: Route):
        self.route = route
        self.stencils = Stencils(route.stencils)
        self.kernel_size = route.stencils.shape[1]

    @property
    def operations(self) -> int:
        """Elementwise operations per field and pixel."""
        size = len(self.route.to_irreps)
        return size * self.stencils.operations + self.route.features

    @property
    def calls(self) -> int:
        """Tensor operations per chunk."""
        blocks = sum(block.repeats for block in self.route.blocks)
        return self.stencils.operations + len(self.route.runs) + blocks

    def margin(self, grid: Grid) -> int:
        """Zeros that the last pixels read beyond the grid."""
        return (self.kernel_size - 1) * (grid.pitch + 1)

    def chunks(self, components: torch.Tensor, grid: Grid) -> Iterator[tuple[slice, torch.Tensor]]:
        """Yield pixels and their features, (features, C, pixels), which the next ones overwrite.

        Args:
            components: (n, C, grid.length + margin) in the irrep basis.
            grid: where they lie.
        """
        size, channels, _ = components.shape
        per_pixel = self.route.features * channels
        length = min(max(FEATURE_CHUNK // per_pixel, 64), grid.length)
        block = min(max(STENCIL_CHUNK // (size * length), 1), channels)
        memory = components.new_empty(self.route.features, channels, length)
        scratch = Scratch(components)
        for start in range(0, grid.length, length):
            pixels = slice(start, min(start + length, grid.length))
            width = pixels.stop - start
            features = memory[..., :width]
            reach = slice(start, pixels.stop + self.margin(grid))
            for first in range(0, channels, block):
                part = slice(first, first + block)
                outputs = self.stencils.apply(
                    components[:, part, reach], grid.pitch, width, scratch
                )
                self._combine(outputs, features[:, part])
            yield pixels, features

    def _combine(self, outputs: Sequence[torch.Tensor], features: torch.Tensor) -> None:
        for run in self.route.runs:
            out = features[run.features]
            (stencil, where, sign), *rest = run.terms
            first = outputs[stencil][where]
            if rest:
                (stencil, where, other) = rest[0]
                torch.add(first, outputs[stencil][where], alpha=sign * other, out=out)
                if sign < 0:
                    out.neg_()
            elif sign > 0:
                out.copy_(first)
            else:
                torch.neg(first, out=out)

    def coupling(self, block: Block, weights: torch.Tensor) -> torch.Tensor:
        """Return the scaled weights of a block, (rows, slots, C_out, C_in).

        Args:
            block: which.
            weights: (number of basis kernels, C_out, C_in).
        """
        chosen = weights[block.weight.flatten()].unflatten(0, block.weight.shape)
        return chosen * block.scale.to(weights)[..., None, None]


def block_rows(block: Block, repeat: int, features: bool) -> slice:
    """Rows of the features, or else of the outputs, of one repeat of a block."""
    count = block.slots if features else block.rows
    first = (block.features if features else block.outputs) + repeat * count
    return slice(first, first + count)


def pairs(block: Block, features: torch.Tensor, outputs: torch.Tensor):
    """Yield the features and outputs of each repeat as matrices (rows * C, pixels)."""
    for repeat in range(block.repeats):
        yield (
            features[block_rows(block, repeat, True)].flatten(0, 1),
            outputs[block_rows(block, repeat, False)].flatten(0, 1),
        )


class SteerableProduct(torch.autograd.Function):
    """The sparse convolution of fields (B, C_in, n, H, W) to (B, C_out, n, H', W')."""

    @staticmethod
    def forward(ctx, fields, weights, forth: Product, back: Product, padding: int, stride: int):
        """Convolve.

        Args:
            ctx: what the backward pass needs.
            fields: (B, C_in, n_in, H, W).
            weights: (C_out, C_in, number of basis kernels).
            forth: from the input field to the output field.
            back: its adjoint.
            padding: at most kernel size - 1.
            stride: step between output pixels.
        """
        ctx.save_for_backward(fields, weights)
        ctx.settings = back, padding, stride
        return convolve(fields, matrices(forth, weights, fields), forth, padding, stride)

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx, gradient):
        """Carry the gradient back by the adjoint route."""
        fields, weights = ctx.saved_tensors
        back, padding, stride = ctx.settings
        return (
            *backpropagate(
                gradient, fields, weights, back, padding, stride, *ctx.needs_input_grad[:2]
            ),
            None,
            None,
            None,
            None,
        )


def matrices(product: Product, weights: torch.Tensor, like: torch.Tensor) -> list[torch.Tensor]:
    """Return the matrix of every block, (rows * C_out, slots * C_in), in the precision of `like`."""
    by_kernel = weights.flatten(0, 1).t().contiguous().unflatten(1, weights.shape[:2])
    return [
        product.coupling(block, by_kernel)
        .to(like.dtype)
        .permute(0, 2, 1, 3)
        .flatten(2)
        .flatten(0, 1)
        for block in product.route.blocks
    ]


def convolve(
    fields: torch.Tensor,
    mixing: Sequence[torch.Tensor],
    product: Product,
    padding: int,
    stride: int,
) -> torch.Tensor:
    """Convolve fields (B, C_in, n_in, H, W) to (B, C_out, n_out, H', W')."""
    batch, _, _, height, width = fields.shape
    grid = Grid(batch, height + padding, width + padding)
    extent = [size + 2 * padding - product.kernel_size + 1 for size in (height, width)]
    route = product.route
    flat = lay_out(fields, grid, padding, margin=product.margin(grid))
    components = transform(route.to_irreps, flat)
    outputs = fields.new_empty(
        len(route.from_irreps), len(mixing[0]) // route.blocks[0].rows, grid.length
    )
    for pixels, features in product.chunks(components, grid):
        for block, matrix in zip(route.blocks, mixing, strict=True):
            for source, target in pairs(block, features, outputs[..., pixels]):
                torch.mm(matrix, source, out=target)
    outputs = transform(route.from_irreps, outputs)
    return pick_up(outputs, grid, *(-(-size // stride) for size in extent), stride)


def backpropagate(
    gradient: torch.Tensor,
    fields: torch.Tensor,
    weights: torch.Tensor,
    back: Product,
    padding: int,
    stride: int,
    needs_fields: bool,
    needs_weights: bool,
) -> tuple[torch.Tensor | None, torch.Tensor | None]:
    """Return the gradients of the fields and of the weights."""
    batch, channels, _, height, width = fields.shape
    route = back.route
    opposite = back.kernel_size - 1 - padding
    rows, pitch = (size + padding for size in (height, width))
    grid = Grid(batch, rows, pitch)
    flat = lay_out(gradient, grid, opposite, stride, back.margin(grid))
    components = transform(route.to_irreps, flat)
    by_kernel = weights.flatten(0, 1).t().contiguous().unflatten(1, weights.shape[:2])
    couplings = [back.coupling(block, by_kernel) for block in route.blocks]
    # (slots * C_out, rows * C_in): the transpose of what the adjoint mixes with.
    mixing = [
        coupling.to(fields.dtype).permute(1, 2, 0, 3).flatten(2).flatten(0, 1)
        for coupling in couplings
    ]
    inputs = transform(route.from_irreps.T, lay_out(fields, grid))
    sums = [torch.zeros_like(matrix, dtype=weights.dtype) for matrix in mixing]
    outputs = torch.empty_like(inputs) if needs_fields else None
    for pixels, features in back.chunks(components, grid):
        for block, matrix, total in zip(route.blocks, mixing, sums, strict=True):
            if needs_fields:
                for source, target in pairs(block, features, outputs[..., pixels]):
                    torch.mm(matrix.t(), source, out=target)
            if needs_weights:
                for source, target in pairs(block, features, inputs[..., pixels]):
                    total += source @ target.t()
    field_gradient = weight_gradient = None
    if needs_fields:
        field_gradient = pick_up(transform(route.from_irreps, outputs), grid, height, width)
    if needs_weights:
        by_kernel.zero_()
        for block, total in zip(route.blocks, sums, strict=True):
            parts = total.view(block.slots, weights.shape[0], block.rows, channels)
            parts = parts.permute(2, 0, 1, 3) * block.scale.to(total)[..., None, None]
            by_kernel.index_add_(0, block.weight.flatten(), parts.flatten(0, 1))
        weight_gradient = by_kernel.flatten(1).t().contiguous().view_as(weights)
    return field_gradient, weight_gradient
