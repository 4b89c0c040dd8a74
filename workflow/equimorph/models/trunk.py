"""The trunk of S1's networks: its plan of sizes, and the policies that match two networks.

S1 is Pandya et al. 2023, E(2) Equivariant Neural Networks for Robust Galaxy Morphology
Classification, arXiv:2311.01500.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from equimorph.errors import InputError

S1_FIELDS = (12, 24, 48, 48, 48, 48, 96, 96, 96, 112, 192)
S1_POOL_AFTER = (2, 4, 7, 9, 11)
HEAD_WIDTHS = (64, 32)


@dataclass(frozen=True)
class Trunk:
    """The shape of a network: what GCNN and CNN have in common.

    Attributes:
        fields: width of each block, in fields (GCNN) or channels (CNN).
        pool_after: the blocks, counted from 1, that a halving pool follows.
        kernel_size: side of every kernel but the first block's, odd.
        stem_stride: stride of the first block, 1 or 2.
        stem_kernel_size: side of the first block's kernel, odd.
    """

    fields: tuple[int, ...] = S1_FIELDS
    pool_after: tuple[int, ...] = S1_POOL_AFTER
    kernel_size: int = 3
    stem_stride: int = 2
    stem_kernel_size: int = 3

    def kernel(self, block: int) -> int:
        """Return the side of a block's kernel; blocks count from 1."""
        return self.stem_kernel_size if block == 1 else self.kernel_size

    def scaled(self, factor: float, features: int = 1) -> "Trunk":
        """Return the trunk with every width multiplied by `factor`.

        Args:
            factor: factor on all widths; each stays at least 1.
            features: least width of the last block.
        """
        *inner, last = (max(1, round(width * factor)) for width in self.fields)
        return replace(self, fields=(*inner, max(last, features)))


def base_trunk(specification: Mapping[str, Any]) -> Trunk:
    """Return the trunk of a specification as the plain network has it."""
    trunk = Trunk(
        tuple(specification["fields"]),
        tuple(specification["pool_after"]),
        specification["kernel_size"],
        specification["stem_stride"],
        specification["stem_kernel_size"],
    )
    return trunk.scaled(specification["width"])


@dataclass(frozen=True)
class Sizes:
    """Sides, in px, of the maps inside a network.

    Attributes:
        stem_padding: padding of the first block's convolution.
        convolved: side of the map that each block's convolution writes.
        final: side of the last map, after its pool if it has one.
    """

    stem_padding: int
    convolved: tuple[int, ...]
    final: int


def exact_sizes(trunk: Trunk, input_size: int) -> Sizes:
    """Plan the sizes of the maps so that rotations by 90 degrees stay exact.

    A stride of 2 keeps the centre only on an odd map: S1's 255 px with a padding of 2 in the first
    block gives 129-65-33-17-9-5; sizes 2^k m + 1 need the usual padding.

    Raises:
        InputError: no padding makes every halved map odd; the message names sizes that work.
    """
    sizes = _plan(trunk, input_size)
    if sizes is None:
        candidates = [size for size in range(3, input_size + 257) if _plan(trunk, size)]
        nearest = sorted(candidates, key=lambda size: abs(size - input_size))[:4]
        raise InputError(
            f"input size {input_size}: not exact under rotations by 90 degrees, because a map of "
            f"even size would be halved; the nearest sizes that work are {sorted(nearest)}."
        )
    return sizes


def _plan(trunk: Trunk, input_size: int) -> Sizes | None:
    same = trunk.stem_kernel_size // 2
    for padding in (same, same + 1):
        size = (input_size + 2 * padding - trunk.stem_kernel_size) // trunk.stem_stride + 1
        exact = trunk.stem_stride == 1 or input_size % 2 == 1
        convolved = []
        for block in range(1, len(trunk.fields) + 1):
            convolved.append(size)
            if block in trunk.pool_after:
                exact = exact and size % 2 == 1
                size = (size + 1) // 2
        if exact:
            return Sizes(padding, tuple(convolved), size)
    return None


def stem_padding(input_size: int, kernel_size: int, stride: int, halvings: int) -> int:
    """Return the padding of a first convolution after which `halvings` more halvings are exact.

    Raises:
        InputError: there is none; the message names sizes that work.
    """
    blocks = (1,) * halvings, tuple(range(1, halvings + 1))
    trunk = Trunk(*blocks, stem_stride=stride, stem_kernel_size=kernel_size)
    return exact_sizes(trunk, input_size).stem_padding


def plain_sizes(trunk: Trunk, input_size: int) -> tuple[int, ...]:
    """Return the side of the map that each convolution of the plain network writes, in px.

    Its first block pads by one pixel more than usual and its max-pools round down, as in S1.
    """
    # k // 2 + 1 px of padding on both sides of an odd kernel add 3 px to what "valid" leaves.
    size = (input_size + 1) // trunk.stem_stride + 1
    convolved = []
    for block in range(1, len(trunk.fields) + 1):
        convolved.append(size)
        if block in trunk.pool_after:
            size //= 2
    return tuple(convolved)


def trunk_macs(trunk: Trunk, convolved: Sequence[int], channels_per_field: int) -> int:
    """Return the multiply-adds of the convolutions for one image, with dense kernels.

    Args:
        trunk: the shape of the network.
        convolved: side of the map that each convolution writes, in px.
        channels_per_field: 1 for a plain network, |G| for regular fields.
    """
    widths = [3, *(channels_per_field * width for width in trunk.fields)]
    return sum(
        trunk.kernel(block) ** 2 * source * target * size**2
        for block, (source, target, size) in enumerate(
            zip(widths, widths[1:], convolved, strict=False), start=1
        )
    )


def trunk_parameters(trunk: Trunk, stem: int, inner: int) -> int:
    """Return the number of trainable parameters of the blocks, batch norm included.

    Args:
        trunk: the shape of the network.
        stem: weights between one input channel and one field of the first block.
        inner: weights between two fields of later blocks.
    """
    pairs = sum(a * b for a, b in zip(trunk.fields, trunk.fields[1:], strict=False))
    return 3 * trunk.fields[0] * stem + pairs * inner + 2 * sum(trunk.fields)


def head_parameters(features: int, classes: int) -> int:
    """Count the classifier's parameters: two hidden layers with batch norm, then the logits."""
    widths = [features, *HEAD_WIDTHS]
    hidden = sum(a * b + 3 * b for a, b in zip(widths, widths[1:], strict=False))
    return hidden + widths[-1] * classes + classes


def match_width(cost: Callable[[float], float], target: float) -> float:
    """Return the width factor whose cost comes closest to `target`.

    Args:
        cost: parameters or multiply-adds as a function of the width factor; it never falls.
        target: the cost to match.
    """
    factors = [2 ** (exponent / 32) for exponent in range(-8 * 32, 4 * 32)]
    return min(factors, key=lambda factor: abs(cost(factor) - target))
