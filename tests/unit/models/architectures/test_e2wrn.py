"""Steerable Wide ResNets: each stage keeps its group, the whole network the last one."""

from functools import cache

import pytest
import torch

from equimorph.errors import InputError
from equimorph.groups.escnn import enn
from equimorph.groups.names import parse_group
from equimorph.models.architectures.e2wrn import E2WideResNet
from equimorph.models.checkpoint import learned_state, load_learned_state
from equimorph.models.counting import count_parameters
from equimorph.models.initialisation import initialise
from equimorph.study.models import resolve
from equimorph.study.published_models import PUBLISHED
from tests.unit.networks import galaxies, largest_change, settled, train_a_little

SIZE = 33
TURNS = {f"turn {90 * turns}": lambda x, turns=turns: x.rot90(turns, (2, 3)) for turns in (1, 2, 3)}
FLIPS = {"up and down": lambda x: x.flip(2), "left and right": lambda x: x.flip(3)}
MOVES = {**TURNS, **FLIPS}


def unborn(groups, size=SIZE, **arguments):
    chain = tuple(parse_group(name) for name in groups.split())
    small = {"depth": 10, "widen": 1, "stem_stride": 2, "dropout": 0.3, "keep_parameters": True}
    published = {"last_momentum": 0.9, "input_size": size, "classes": 10}
    return E2WideResNet(chain, **{**small, **published, **arguments})


def network(groups, **arguments):
    built = unborn(groups, **arguments)
    initialise(built, torch.Generator().manual_seed(3))
    return built


@cache
def prepared(groups, trained):
    built, images = network(groups), galaxies(SIZE, count=4)
    if trained:
        train_a_little(built, images)
    return settled(built, images), images


@pytest.mark.parametrize("trained", [False, True], ids=["random", "trained"])
@pytest.mark.parametrize(
    ("groups", "kept"),
    [
        ("D8 D4 D4", set(MOVES)),
        ("D4 D4 C4", set(TURNS)),
        ("D8 D4 D1", {"left and right"}),
        ("D1 D1 D1", {"left and right"}),
        ("D4 D2 C2", {"turn 180"}),
        ("C8 C4 C1", set()),
        ("D1 C1 C1", set()),
    ],
)
def test_the_network_keeps_what_the_last_group_keeps(groups, kept, trained):
    built, images = prepared(groups, trained)
    changes = {name: largest_change(built, images, move(images)) for name, move in MOVES.items()}
    assert {name for name, change in changes.items() if change <= 1e-4} == kept
    assert all(change > 5e-3 for name, change in changes.items() if name not in kept)


def test_each_stage_keeps_its_own_group():
    """D8 and D4 turn with the image by 90 degrees, channel by channel; D1 no longer does."""
    built, images = prepared("D8 D4 D1", trained=True)
    ends = {}
    for name, moved in (("given", images), ("turned", images.rot90(1, (2, 3)))):
        with torch.no_grad():
            seen = built.mask(built.normalise(moved))
            fields = built.stem(enn.GeometricTensor(seen, built.input_type))
            for module in built.stages:
                fields = module(fields)
                ends[fields.type.gspace.name, name] = fields
    spaces = list(dict.fromkeys(space for space, _ in ends))
    assert len(spaces) == 3
    for space, steps in zip(spaces[:2], (2, 1), strict=True):
        given, turned = ends[space, "given"], ends[space, "turned"]
        quarter = given.type.fibergroup.element((0, steps))
        expected = given.transform_fibers(quarter).tensor.rot90(1, (2, 3))
        assert given.tensor.std() > 1e-2
        torch.testing.assert_close(turned.tensor, expected, atol=1e-5, rtol=0)
    last = ends[spaces[2], "given"].tensor.rot90(1, (2, 3))
    assert (ends[spaces[2], "turned"].tensor - last).abs().max() > 1e-2


@pytest.mark.parametrize(("size", "stem_stride"), [(65, 2), (63, 2), (35, 1)])
def test_exact_at_other_sizes_that_are_allowed(size, stem_stride):
    images = galaxies(size, count=4)
    built = settled(network("C4 C4 C4", size=size, stem_stride=stem_stride), images)
    assert largest_change(built, images, images.rot90(1, (2, 3))) <= 1e-4


@pytest.mark.parametrize(("size", "stem_stride"), [(64, 2), (35, 2), (36, 1)])
def test_sizes_that_would_halve_an_even_map_are_refused(size, stem_stride):
    with pytest.raises(InputError, match=f"input size {size}: .* nearest sizes that work are"):
        unborn("C1 C1 C1", size=size, stem_stride=stem_stride)


@pytest.mark.parametrize("groups", ["D4 D8 D1", "C8 D4 D1", "D4 C4 D1", "C4 C4 C8"])
def test_groups_that_do_not_shrink_are_refused(groups):
    with pytest.raises(InputError, match="is no subgroup of .* such as D8, D4, D1"):
        unborn(groups)


@pytest.mark.parametrize("depth", [4, 17, 18])
def test_depths_without_three_equal_stages_are_refused(depth):
    with pytest.raises(InputError, match=f"depth {depth}: allowed are 10, 16, 22, 28"):
        unborn("C1 C1 C1", depth=depth)


def test_kernels_are_5_px_wide_for_8_rotations_and_3_otherwise():
    for module in unborn("D8 D4 D1").stages:
        if not isinstance(module, enn.RestrictionModule):
            rotations = module.branch.in_type.gspace.rotations_order
            sizes = {part.kernel_size for part in module.branch if hasattr(part, "kernel_size")}
            assert sizes == {5 if rotations == 8 else 3}


def test_dropout_acts_in_training_alone():
    images = galaxies(SIZE)
    for dropout in (0.0, 0.3):
        built = network("D4 D4 D4", dropout=dropout)
        with torch.no_grad():
            same = torch.equal(built(images), built(images))
            assert same == (dropout == 0.0)
            built.eval()
            assert torch.equal(built(images), built(images))


def test_without_keeping_the_parameters_the_channels_are_kept():
    wide = unborn("D4 D4 D4", widen=2, keep_parameters=False)
    channels = [block.branch.out_type.size for block in wide.stages]
    assert channels == [32, 64, 128]
    assert wide.classifier.in_features == 128


@pytest.mark.parametrize("groups", ["D8 D4 D1", "D8 D4 D4", "D1 D1 D1"])
def test_keeping_the_parameters_stays_near_the_plain_network(groups):
    plain = count_parameters(unborn("C1 C1 C1", depth=16, widen=8))
    assert count_parameters(unborn(groups, depth=16, widen=8)) == pytest.approx(plain, rel=0.2)
    fewer = count_parameters(unborn(groups, depth=16, widen=8, keep_parameters=False))
    assert fewer < 0.8 * plain


@pytest.mark.parametrize(
    ("depth", "widen", "groups", "parameters"),
    [
        (16, 8, "D8 D4 D1", 11_957_234),
        (16, 8, "D8 D4 D4", 10_791_956),
        (16, 8, "D1 D1 D1", 10_017_717),
        (28, 7, "D8 D4 D1", 18_195_726),
        (28, 10, "D8 D4 D1", 37_183_014),
    ],
)
def test_parameters_of_s1s_networks(depth, widen, groups, parameters):
    assert count_parameters(unborn(groups, depth=depth, widen=widen, size=257)) == parameters


def test_the_last_batch_norm_alone_follows_with_the_published_momentum():
    built = unborn("D4 D4 D1")
    norms = [module for module in built.modules() if isinstance(module, enn.InnerBatchNorm)]
    last = [module for module in built.activation.modules() if module in norms]
    assert [norm.momentum for norm in norms if norm not in last] == [0.1] * (len(norms) - 1)
    assert [norm.momentum for norm in last] == [0.9]
    images = galaxies(SIZE, count=4)
    built.train()(images)
    with torch.no_grad():
        fields = enn.GeometricTensor(built.mask(built.normalise(images)), built.input_type)
        maps = built.stages(built.stem(fields)).tensor
    mean = next(b for name, b in built.activation.named_buffers() if name.endswith("running_mean"))
    torch.testing.assert_close(mean, 0.9 * maps.mean((0, 2, 3)), rtol=1e-3, atol=1e-4)


def test_the_28_layers_stride_in_their_first_stage(network_defaults):
    for name in PUBLISHED:
        if name.startswith("E2WRN"):
            specification = resolve(name, {}, network_defaults)
            assert specification["stem_stride"] == 2 and specification["last_momentum"] == 0.9


def test_learned_state_is_all_there_is():
    built, images = prepared("D8 D4 D1", trained=True)
    other = network("D8 D4 D1")
    load_learned_state(other, learned_state(built))
    with torch.no_grad():
        assert torch.equal(other.eval()(images), built(images))
