"""Draw how sparse a steerable filter is in the irrep basis, and count what that saves.

PYTHONPATH=workflow python tests/benchmarks/irrep_sparsity.py --figure docs/irrep-sparsity.png

It also prints the table of docs/irrep-convolution.md: multiply-adds with 3 x 3 kernels, counted on
the sparse forms of the convolution.
"""

import argparse
from itertools import pairwise

import torch
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from equimorph.groups.escnn import enn
from equimorph.groups.names import parse_group
from equimorph.report.figures.style import WIDTH, save, styled
from equimorph.steerable.convolution import SteerableConv, plane
from equimorph.steerable.irrep_basis import NOISE, components

GROUPS = ["C2", "C4", "C8", "C16", "D2", "D4", "D8", "D16"]
COLOURS = "RdBu_r"  # told apart under the common colour-vision deficiencies
INK, BLANK = "#333333", "#f0f0f0"


def convolution(group: str) -> SteerableConv:
    """Return the 3 x 3 convolution between two regular fields, with random weights."""
    space = plane(parse_group(group))
    field = enn.FieldType(space, [space.regular_repr])
    conv = SteerableConv(field, field, 3, 1, 1)
    generator = torch.Generator().manual_seed(7)
    with torch.no_grad():
        conv.weights.normal_(generator=generator)
    return conv


def filters(conv: SteerableConv) -> tuple[torch.Tensor, torch.Tensor, list[int]]:
    """Return a filter in the regular and in the irrep basis, and the frequencies of the latter.

    Both are (n, n, 3, 3); in the irrep basis components are sorted by frequency.
    """
    representation = conv.in_type.representations[0]
    with torch.no_grad():
        regular = conv.expand_parameters()[0].double()
    frequencies = [component.irrep[-1] for component in components(representation)]
    order = sorted(range(len(frequencies)), key=frequencies.__getitem__)
    change = torch.from_numpy(representation.change_of_basis)[:, order]
    irreps = torch.einsum("ro,rcij,cd->odij", change, regular, change)
    irreps[irreps.abs() < NOISE] = 0
    return regular, irreps, [frequencies[position] for position in order]


def mixing_matrix(conv: SteerableConv) -> torch.Tensor:
    """Return the matrix from features to outputs in the irrep basis, zero between its blocks."""
    sparse, _ = conv.sparse
    form = sparse.form
    whole = torch.zeros(form.from_irreps.shape[1], form.features)
    matrices = sparse.matrices(conv.weights.detach().view(1, 1, -1), torch.float32)
    for mixing, matrix in zip(form.mixings, matrices, strict=True):
        for repeat in range(mixing.repeats):
            row = mixing.outputs + repeat * mixing.rows
            column = mixing.features + repeat * mixing.columns
            whole[row : row + mixing.rows, column : column + mixing.columns] = matrix
    return whole


def draw_matrix(axes: Axes, numbers: torch.Tensor) -> None:
    """Show numbers by colour, zeros as blanks; the square root keeps small ones visible."""
    shown = numbers.sign() * (numbers.abs() / numbers.abs().max()).sqrt()
    shown = shown.where(numbers != 0, torch.nan)
    axes.imshow(shown, cmap=COLOURS, vmin=-1, vmax=1, interpolation="none", aspect="auto")
    axes.set(xticks=[], yticks=[], facecolor=BLANK)
    axes.tick_params(length=0)
    axes.grid(False)
    axes.spines[:].set_visible(False)


def draw_filter(axes: Axes, kernels: torch.Tensor) -> None:
    """Show kernels (n, n, 3, 3) side by side."""
    out, into = kernels.shape[:2]
    draw_matrix(axes, kernels.permute(0, 2, 1, 3).reshape(3 * out, 3 * into))
    axes.set_aspect("equal")
    for place in range(out + 1):
        axes.axhline(3 * place - 0.5, color="white", linewidth=1)
        axes.axvline(3 * place - 0.5, color="white", linewidth=1)


def label_frequencies(axes: Axes, frequencies: list[int]) -> None:
    """Write each frequency at its middle, with lines between."""
    starts = [i for i, m in enumerate(frequencies) if i == 0 or m != frequencies[i - 1]]
    middles = [1.5 * (start + stop) - 0.5 for start, stop in pairwise([*starts, len(frequencies)])]
    labels = [str(frequencies[start]) for start in starts]
    axes.set_xticks(middles, labels)
    axes.set_yticks(middles, labels)
    for start in starts[1:]:
        axes.axhline(3 * start - 0.5, color=INK, linewidth=0.8)
        axes.axvline(3 * start - 0.5, color=INK, linewidth=0.8)


def stencil_name(stencil: torch.Tensor) -> str:
    """Name a 3 x 3 stencil after its ring and the harmonic on it."""
    if stencil[0, 1] == stencil[0, 0] == 0:
        return "centre"
    upright, sideways = (torch.equal(stencil.flip(axis), stencil) for axis in (0, 1))
    if upright and sideways:
        return "ring" if stencil[0, 1] * stencil[1, 0] > 0 else r"ring $\cdot$ cos 2$\theta$"
    if upright == sideways:
        return r"ring $\cdot$ sin 2$\theta$"
    return r"ring $\cdot$ cos $\theta$" if upright else r"ring $\cdot$ sin $\theta$"


def draw(group: str) -> Figure:
    """Draw a filter in both bases, the stencils that it is made of and the mixing matrix."""
    conv = convolution(group)
    regular, irreps, frequencies = filters(conv)
    stencils = conv.sparse[0].form.stencils
    with styled():
        figure = Figure(figsize=(WIDTH, 8.4), layout="constrained", dpi=150)
        upper, middle, lower = figure.subfigures(3, 1, height_ratios=[5.3, 1.2, 1.9])
        left, right = upper.subplots(1, 2)
        draw_filter(left, regular)
        left.set_title(f"a   one filter, regular basis: {_count(regular)}")
        left.set(xlabel=f"input: {group}'s elements", ylabel=f"output: {group}'s elements")
        draw_filter(right, irreps)
        label_frequencies(right, frequencies)
        right.set_title(f"b   the same filter, irrep basis: {_count(irreps)}")
        right.set(xlabel="input: frequency of the irrep", ylabel="output: frequency")
        for number, axes in enumerate(middle.subplots(1, len(stencils))):
            draw_matrix(axes, stencils[number])
            axes.set_aspect("equal")
            axes.set_xlabel(stencil_name(stencils[number]))
        middle.suptitle("c   the stencils that b is made of", x=0.005, ha="left", fontsize=10)
        draw_mixing(lower.subplots(), conv)
    return figure


def draw_mixing(axes: Axes, conv: SteerableConv) -> None:
    """Show the mixing matrix, its blocks framed and named by their frequencies."""
    matrix, form = mixing_matrix(conv), conv.sparse[0].form
    draw_matrix(axes, matrix)
    for mixing in form.mixings:
        for repeat in range(mixing.repeats):
            corner = (
                mixing.features + repeat * mixing.columns - 0.5,
                mixing.outputs + repeat * mixing.rows - 0.5,
            )
            frame = Rectangle(corner, mixing.columns, mixing.rows, fill=False, edgecolor=INK)
            axes.add_patch(frame)
    axes.set_title(f"d   the mixing matrix: {_count(matrix)}, {conv.weights.numel()} weights")
    axes.set(
        xlabel=f"{matrix.shape[1]} features: stencils applied to components",
        ylabel=f"{len(matrix)} outputs",
    )


def _count(numbers: torch.Tensor) -> str:
    return f"{int((numbers != 0).sum()):,} numbers"


def table(groups: list[str]) -> str:
    """Count the operations of every group, with 3 x 3 kernels, as rows of a Markdown table.

    Per pair of fields and pixel the dense and the mixing multiply-adds; per field and pixel those
    of the two changes of basis and the elementwise operations that make the features.
    """
    names = ("group", "n", "weights", "dense", "mixing", "dense / mixing", "bases", "elementwise")
    lines = [f"| {' | '.join(names)} |", "|" + "---|" * len(names)]
    for group in groups:
        conv = convolution(group)
        sparse, _ = conv.sparse
        n, dense, mixing = (
            conv.in_type.size,
            conv.expand_parameters()[0].numel(),
            sparse.form.mixing_macs,
        )
        bases = sparse.form.to_irreps.numel() + sparse.form.from_irreps.numel()
        counts = (n, conv.weights.numel(), f"{dense:,}", mixing, f"{dense / mixing:.1f}")
        cells = (group, *counts, f"{bases:,}", sparse.operations)
        lines.append(f"| {' | '.join(map(str, cells))} |")
    return "\n".join(lines)


def main() -> None:
    """Print the table and, where asked, save the figure."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--groups", nargs="*", default=GROUPS)
    parser.add_argument("--figure", help="PNG or SVG file to write")
    parser.add_argument("--figure-group", default="D8")
    options = parser.parse_args()
    print(table(options.groups))
    if options.figure:
        save(draw(options.figure_group), options.figure)


if __name__ == "__main__":
    main()
