"""Steerable convolutions: escnn's filters and variances, their memory, their export."""

import copy
from functools import partial

import pytest
import torch

from equimorph.groups.escnn import enn
from equimorph.groups.names import parse_group
from equimorph.steerable.convolution import (
    SteerableConv,
    he_standard_deviations,
    initialise_steerable,
    plane,
)


@pytest.mark.parametrize("name", ["C4", "D4", "C8"])
@pytest.mark.parametrize("trivial_input", [True, False])
def test_fast_initialisation_has_escnns_variances(name, trivial_input):
    from escnn.nn.init import _generalized_he_init_variances

    space = plane(parse_group(name))
    source = 3 * [space.trivial_repr] if trivial_input else 2 * [space.regular_repr]
    mixed = [space.regular_repr, space.regular_repr, space.trivial_repr]
    conv = SteerableConv(enn.FieldType(space, source), enn.FieldType(space, mixed), 3, 1, 1)
    theirs = _generalized_he_init_variances(conv.basisexpansion)
    torch.testing.assert_close(he_standard_deviations(conv), theirs)


def field_types(name, kind):
    """Fields of one kind, of several one after the other, and of several interleaved."""
    space = plane(parse_group(name))
    regular, trivial = space.regular_repr, space.trivial_repr
    fields = {
        "regular": (2 * [regular], 3 * [regular]),
        "stem": (3 * [trivial], 2 * [regular]),
        "mixed": (2 * [trivial] + 2 * [regular], 3 * [trivial] + [regular]),
        "interleaved": ([regular, trivial, regular], [trivial, regular, trivial]),
        "irreps": (list(space.irreps), [*reversed(space.irreps)]),
    }[kind]
    return tuple(enn.FieldType(space, representations) for representations in fields)


def signs(ours, theirs):
    """The sign of each of our weights relative to escnn's."""
    found = torch.empty(ours.dimension())
    for pair, (start, stop) in ours._weights_ranges.items():
        name = f"block_expansion_{ours._escape_pair(pair)}"
        mine, other = (getattr(e, name).sampled_basis.flatten(1) for e in (ours, theirs))
        sign = (mine * other).sum(1).sign()
        found[start:stop] = sign.repeat((stop - start) // len(sign))
    return found


@pytest.mark.parametrize("kind", ["regular", "stem", "mixed", "interleaved", "irreps"])
@pytest.mark.parametrize(
    ("name", "kernel_size", "cutoff"), [("C4", 3, None), ("D4", 5, None), ("C8", 5, 3.0)]
)
def test_filters_are_escnns_to_rounding(name, kernel_size, cutoff, kind):
    in_type, out_type = field_types(name, kind)
    ours = SteerableConv(in_type, out_type, kernel_size, 2, 1, cutoff)
    theirs = enn.R2Conv(
        in_type, out_type, kernel_size, stride=2, padding=1, bias=False,
        frequencies_cutoff=cutoff, initialize=False,
    )  # fmt: skip
    initialise_steerable(ours, torch.Generator().manual_seed(0))
    with torch.no_grad():
        theirs.weights.copy_(ours.weights * signs(ours.basisexpansion, theirs.basisexpansion))
    fields = enn.GeometricTensor(torch.rand(2, in_type.size, 9, 9), in_type)
    close = partial(torch.testing.assert_close, rtol=1e-5, atol=1e-6)
    close(ours(fields).tensor, theirs(fields).tensor)
    close(ours.eval().filter, theirs.eval().filter)
    close(ours(fields).tensor, theirs(fields).tensor)
    elements = zip(
        ours.basisexpansion.get_basis_info(), theirs.basisexpansion.get_basis_info(), strict=True
    )
    assert all(mine.items() <= other.items() for mine, other in elements)


def test_the_filter_exists_in_evaluation_alone():
    conv = SteerableConv(*field_types("C4", "regular"), 3, 1, 1)
    assert not hasattr(conv, "filter")
    assert not conv.eval().filter.requires_grad
    copy.deepcopy(conv)  # which a filter with a history would not allow
    assert not hasattr(conv.train(), "filter")


def test_evaluation_uses_the_newest_weights():
    conv = SteerableConv(*field_types("D4", "mixed"), 3, 1, 1)
    for seed in (0, 1):
        initialise_steerable(conv.train(), torch.Generator().manual_seed(seed))
        expanded, _ = conv.expand_parameters()
        assert torch.equal(conv.eval().filter, expanded)


def test_layers_share_memory_until_one_of_them_moves():
    one, other = (SteerableConv(*field_types("D4", "regular"), 3, 1, 1) for _ in range(2))

    def samples(conv):
        (block,) = conv.basisexpansion.children()
        return block.sampled_basis

    assert samples(one).data_ptr() == samples(other).data_ptr()
    one.double()
    assert (samples(one).dtype, samples(other).dtype) == (torch.float64, torch.float32)
    assert torch.equal(samples(one).float(), samples(other))


def test_equal_layers_are_both_found():
    network = torch.nn.Sequential(
        *(SteerableConv(*field_types("C4", "regular"), 3, 1, 1) for _ in range(2))
    )
    buffers = [name for name, _ in network.named_buffers(remove_duplicate=False)]
    assert sum("sampled_basis" in name for name in buffers) == 2
    assert set(network.state_dict()) == {"0.weights", "1.weights"}


def test_a_layer_without_kernels_says_so():
    space = plane(parse_group("C8"))
    in_type = enn.FieldType(space, [space.trivial_repr])
    with pytest.raises(ValueError, match="no kernel"):
        SteerableConv(in_type, enn.FieldType(space, [space.irrep(3)]), 1, 1, 0)
