"""What an architecture's arguments must fulfil, beyond the type and the range of each.

Without torch: a study's config is checked by it before any job, and the network when it is built.
"""

from collections.abc import Sequence

from equimorph.errors import InputError
from equimorph.groups.names import CONTINUOUS_GROUPS, Group
from equimorph.models.trunk import Trunk, exact_sizes, stem_padding

# Sides of the stems' kernels in px.
E2RESNET_STEM = 7
E2WRN_STEM = 5
S2_POOL_AFTER = (2, 4, 5)


def check_patches(patch: int, input_size: int, dim: int, heads: int) -> None:
    """Check that patches tile the images, and heads share the tokens' entries.

    Raises:
        InputError: `patch` does not divide `input_size`, or `heads` not `dim`.
    """
    if patch < 1 or input_size % patch:
        raise InputError(
            f"patch {patch}: must divide input_size {input_size}; allowed are "
            f"{_divisors(input_size)}."
        )
    if heads < 1 or dim % heads:
        raise InputError(f"heads {heads}: must divide dim {dim}; allowed are {_divisors(dim)}.")


def check_chain(groups: Sequence[Group]) -> None:
    """Check that each group lies within the one before.

    Raises:
        InputError: one does not.
    """
    for before, group in zip(groups, groups[1:], strict=False):
        kept = group.reflections <= before.reflections
        if not kept or before.rotations % group.rotations:
            raise InputError(
                f"groups {[g.name for g in groups]}: {group.name} is no subgroup of {before.name}; "
                "allowed are chains that shrink or stay, such as D8, D4, D1."
            )


def blocks_per_stage(depth: int) -> int:
    """Return the number n of blocks in each of the three stages of a network of depth 6 n + 4.

    Raises:
        InputError: no such depth.
    """
    blocks, rest = divmod(depth - 4, 6)
    if blocks < 1 or rest:
        raise InputError(f"depth {depth}: allowed are 10, 16, 22, 28, ... (6 n + 4).")
    return blocks


def e2resnet_padding(input_size: int) -> int:
    """Return the padding of an E2ResNet's stem; its pool and three stages halve the map.

    Raises:
        InputError: the input size does not keep rotations by 90 degrees exact.
    """
    return stem_padding(input_size, E2RESNET_STEM, stride=2, halvings=4)


def e2wrn_padding(input_size: int, stem_stride: int) -> int:
    """Return the padding of an E2WRN's stem, see `e2resnet_padding`."""
    return stem_padding(input_size, E2WRN_STEM, stride=1, halvings=3 if stem_stride == 2 else 2)


def cbfocal_padding(input_size: int) -> int:
    """Return the padding of S2's first convolution that keeps it exact, see `e2resnet_padding`."""
    trunk = Trunk((1,) * S2_POOL_AFTER[-1], S2_POOL_AFTER, stem_stride=1)
    return exact_sizes(trunk, input_size).stem_padding


def check_continuous(group: str) -> None:
    """Check that a group is SO2 or O2.

    Raises:
        InputError: it is neither.
    """
    if group not in CONTINUOUS_GROUPS:
        raise InputError(f"group {group!r}: allowed are {' and '.join(CONTINUOUS_GROUPS)}.")


def check_samples(samples: int, band_limit: int) -> None:
    """Check that samples of a field on the circle hold its band, and that quarter turns map them.

    Raises:
        InputError: they do not.
    """
    # Fewer than 2 band_limit + 1 samples do not determine the coefficients.
    if samples % 4 or samples <= 2 * band_limit:
        raise InputError(
            f"samples {samples}: allowed are the multiples of 4 above 2 * band_limit = "
            f"{2 * band_limit}, so that a quarter turn maps the samples onto each other."
        )


def _divisors(number: int) -> str:
    return ", ".join(str(n) for n in range(1, number + 1) if number % n == 0)
