"""What a network can be built with, told without torch: arguments that must fit one another.

A config is checked by this before any job, a checkpoint before its network is built. What one
argument may be for itself stands in `arguments` and in the config's schema.
"""

from collections.abc import Callable, Mapping, Sequence
from importlib.util import find_spec
from typing import Any

from equimorph.errors import InputError
from equimorph.groups.names import CONTINUOUS_GROUPS, Group, parse_group
from equimorph.models.matching import functions_on, gcnn_trunk
from equimorph.models.trunk import Trunk, base_trunk, exact_sizes, plain_sizes, stem_padding

# A basis of kernels between two regular fields is held in memory, and once more while it is made.
MOST_BASIS_BYTES = 2**30

RESNET_STEM_KERNEL = 7
WRN_STEM_KERNEL = 5
S2_POOL_AFTER = (2, 4, 5)
FROM_TIMM = ("resnet26",)

Specification = Mapping[str, Any]


def check(specification: Specification, classes: int) -> None:
    """Check a network's arguments against one another.

    Args:
        specification: of the network; each argument is for itself one that is allowed.
        classes: number of logits.

    Raises:
        InputError: the first that does not fit, by its key, with what is allowed.
    """
    architecture = specification["architecture"]
    names = [*specification.get("groups", ()), specification.get("orbit")]
    if architecture != "harmonic":
        names.append(specification.get("group"))
    for name in names:
        if name is not None:
            parse_group(name)
    if architecture in _RULES:
        _RULES[architecture](specification, classes)


def check_tokens(patch: int, input_size: int, dim: int, heads: int) -> None:
    """Check the sizes of a vision transformer.

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
    """Return the blocks in each of a Wide ResNet's three stages.

    Raises:
        InputError: no such depth.
    """
    blocks, rest = divmod(depth - 4, 6)
    if blocks < 1 or rest:
        raise InputError(f"depth {depth}: allowed are 10, 16, 22, 28, ... (6 n + 4).")
    return blocks


def check_band(group: str, samples: int, band_limit: int) -> None:
    """Check the group and the samples of band-limited fields.

    Raises:
        InputError: the group is not continuous, the samples do not determine the coefficients of
            the band, or a quarter turn does not map them onto each other.
    """
    if group not in CONTINUOUS_GROUPS:
        raise InputError(f"group {group!r}: allowed are {' and '.join(CONTINUOUS_GROUPS)}.")
    # Fewer than 2 band_limit + 1 samples do not determine the coefficients.
    if samples % 4 or samples <= 2 * band_limit:
        raise InputError(
            f"samples {samples}: allowed are the multiples of 4 above 2 * band_limit = "
            f"{2 * band_limit}, so that a quarter turn maps the samples onto each other."
        )


def s2_padding(
    fields: Sequence[int], dropout: Sequence[float], input_size: int, exact: bool
) -> int:
    """Return the padding of the first convolution of S2's C4 network.

    Raises:
        InputError: the numbers of blocks in `fields` and `dropout` differ, or the input size is not
            exact although it has to be.
    """
    if len(dropout) != len(fields):
        raise InputError(
            f"field_dropout: {len(dropout)} values for {len(fields)} blocks of fields; "
            "allowed is one per block."
        )
    if not exact:
        return 1
    return exact_sizes(Trunk(tuple(fields), S2_POOL_AFTER, stem_stride=1), input_size).stem_padding


def resnet_padding(input_size: int) -> int:
    """Return the padding of a steerable ResNet's stem, whose pool and three stages halve the map.

    Raises:
        InputError: the input size is not exact.
    """
    return stem_padding(input_size, RESNET_STEM_KERNEL, stride=2, halvings=4)


def wrn_padding(input_size: int, stem_stride: int) -> int:
    """Return the padding of a steerable Wide ResNet's stem, whose stages halve the map.

    Raises:
        InputError: the input size is not exact.
    """
    halvings = 3 if stem_stride == 2 else 2
    return stem_padding(input_size, WRN_STEM_KERNEL, stride=1, halvings=halvings)


def check_timm(backbone: str) -> None:
    """Check that the package is there which a backbone comes from.

    Where torch is not there either, networks are built in another environment.

    Raises:
        InputError: it is not.
    """
    if backbone in FROM_TIMM and find_spec("torch") and not find_spec("timm"):
        raise InputError(
            f"backbone {backbone}: needs the optional package timm (pip install timm)."
        )


def check_basis(group: Group, kernel_size: int) -> None:
    """Check that the kernels between two regular fields fit into memory.

    Raises:
        InputError: they do not.
    """
    elements = group.order * functions_on(kernel_size)
    size = 4 * elements * group.order**2 * kernel_size**2
    if size > MOST_BASIS_BYTES:
        raise InputError(
            f"group {group.name}: a basis of its kernels of {kernel_size} px takes "
            f"{size / 2**30:.1f} GiB; allowed is {MOST_BASIS_BYTES / 2**30:g}: a smaller group or "
            "smaller kernels."
        )


def _check_trunk(specification: Specification) -> Trunk:
    blocks = len(specification["fields"])
    if any(block > blocks for block in specification["pool_after"]):
        raise InputError(
            f"pool_after {specification['pool_after']}: allowed are the blocks 1 to {blocks}."
        )
    trunk = base_trunk(specification)
    exact_sizes(trunk, specification["input_size"])
    return trunk


def _gcnn(specification: Specification, classes: int) -> None:
    _check_trunk(specification)
    check_basis(parse_group(specification["group"]), specification["kernel_size"])
    # What is executed is known only where torch and escnn are.
    if specification["match"] != "executed" or find_spec("torch"):
        gcnn_trunk(specification, classes)


def _cnn(specification: Specification, classes: int) -> None:
    trunk = _check_trunk(specification)
    last = len(trunk.fields)
    final = plain_sizes(trunk, specification["input_size"])[-1] // (
        2 if last in trunk.pool_after else 1
    )
    if final < 1:
        raise InputError(
            f"pool_after {specification['pool_after']}: leaves nothing of "
            f"{specification['input_size']} px; allowed are fewer pools or larger images."
        )


def _harmonic(specification: Specification, classes: int) -> None:
    check_band(specification["group"], specification["samples"], specification["band_limit"])
    _check_trunk(specification)


def _e2resnet(specification: Specification, classes: int) -> None:
    check_basis(parse_group(specification["group"]), 3)
    resnet_padding(specification["input_size"])


def _e2wrn(specification: Specification, classes: int) -> None:
    groups = [parse_group(name) for name in specification["groups"]]
    check_chain(groups)
    for group in groups:
        check_basis(group, 5 if group.rotations >= 8 else 3)
    blocks_per_stage(specification["depth"])
    wrn_padding(specification["input_size"], specification["stem_stride"])


def _cbfocal_ecnn(specification: Specification, classes: int) -> None:
    check_basis(parse_group(specification["group"]), 3)
    own = (specification[key] for key in ("mixed_fields", "field_dropout", "input_size", "exact"))
    s2_padding(*own)


def _vit(specification: Specification, classes: int) -> None:
    check_tokens(*(specification[key] for key in ("patch", "input_size", "dim", "heads")))


def _backbone(specification: Specification, classes: int) -> None:
    check_timm(specification["backbone"])


# Of the architectures whose arguments must fit one another.
_RULES: dict[str, Callable[[Specification, int], None]] = {
    "gcnn": _gcnn,
    "cnn": _cnn,
    "harmonic": _harmonic,
    "e2resnet": _e2resnet,
    "e2wrn": _e2wrn,
    "cbfocal_ecnn": _cbfocal_ecnn,
    "vit": _vit,
    "backbone": _backbone,
}


def _divisors(number: int) -> str:
    return ", ".join(str(n) for n in range(1, number + 1) if number % n == 0)
