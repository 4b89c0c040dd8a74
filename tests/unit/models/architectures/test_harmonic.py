"""The networks of SO(2) and O(2): exact where the pixel grid and the samples allow it."""

from functools import cache

import pytest
import torch

from equimorph.errors import InputError
from equimorph.groups.escnn import enn
from equimorph.models.architectures.harmonic import FieldBatchNorm, HarmonicGCNN, continuous_plane
from equimorph.models.checkpoint import learned_state, load_learned_state
from equimorph.models.counting import count_parameters
from equimorph.models.initialisation import initialise
from equimorph.models.trunk import Trunk
from tests.unit.networks import galaxies, largest_change, settled, train_a_little

SIZE = 65
# The pools of S1, one block before each.
SMALL = Trunk((2, 2, 3, 3, 4), pool_after=(1, 2, 3, 4, 5))


def network(group, trunk=SMALL, band_limit=3, samples=16, size=SIZE):
    built = HarmonicGCNN(group, trunk, band_limit, samples, size, 10)
    initialise(built, torch.Generator().manual_seed(3))
    return built


def fields(group, size=5, count=6):
    """Random band-limited fields on a small map, each image with a mean of its own."""
    space = continuous_plane(group)
    spectral = space.fibergroup.spectral_regular_representation(*space.fibergroup.bl_irreps(3))
    field_type = enn.FieldType(space, 2 * [spectral])
    generator = torch.Generator().manual_seed(1)
    maps = torch.randn(count, field_type.size, size, size, generator=generator)
    return enn.GeometricTensor(
        2 * maps + torch.randn(count, 1, 1, 1, generator=generator), field_type
    )


@cache
def prepared(group, trained):
    built, images = network(group), galaxies(SIZE)
    if trained:
        train_a_little(built, images)
    return settled(built, images), images


@pytest.mark.parametrize("trained", [False, True], ids=["random", "trained"])
@pytest.mark.parametrize("group", ["SO2", "O2"])
def test_rotations_by_90_degrees_change_nothing(group, trained):
    built, images = prepared(group, trained)
    for turns in (1, 2, 3):
        assert largest_change(built, images, images.rot90(turns, (2, 3))) <= 1e-4


@pytest.mark.parametrize("trained", [False, True], ids=["random", "trained"])
@pytest.mark.parametrize("axis", [2, 3])
def test_o2_alone_knows_reflections(axis, trained):
    for group in ("O2", "SO2"):
        built, images = prepared(group, trained)
        change = largest_change(built, images, images.flip(axis))
        assert change <= 1e-4 if group == "O2" else change > 1e-2


@pytest.mark.parametrize("size", [129, 255])
def test_exact_at_the_sizes_of_the_presets(size):
    images = galaxies(size, count=4)
    built = settled(network("O2", size=size), images)
    assert largest_change(built, images, images.rot90(1, (2, 3))) <= 1e-4


@pytest.mark.parametrize("group", ["SO2", "O2"])
@pytest.mark.parametrize("degrees", [90.0, 22.5, 10.0])
def test_the_elu_is_exact_for_the_rotations_between_its_samples(group, degrees):
    given = fields(group)
    elu = enn.FourierELU(given.type.gspace, 2, given.type.gspace.fibergroup.bl_irreps(3), 16)
    angle = torch.deg2rad(torch.tensor(degrees)).item()
    turn = given.type.fibergroup.element(angle if group == "SO2" else (0, angle), "radians")
    error = elu(given.transform_fibers(turn)).tensor - elu(given).transform_fibers(turn).tensor
    if degrees == 10.0:
        assert error.abs().max() > 1e-4
    else:
        assert error.abs().max() <= 1e-5


@pytest.mark.parametrize("group", ["SO2", "O2"])
def test_batch_norm_leaves_one_variance_per_field_and_the_mean_of_the_invariant_entry(group):
    given = fields(group)
    normal = FieldBatchNorm(given.type)(given).tensor.unflatten(1, (2, -1))
    torch.testing.assert_close(
        normal[:, :, 0].mean(dim=(0, 2, 3)), torch.zeros(2), atol=1e-5, rtol=0
    )
    variance = normal.square().mean(dim=(0, 2, 3, 4))
    torch.testing.assert_close(variance, torch.ones(2), atol=1e-4, rtol=0)


@pytest.mark.parametrize("group", ["SO2", "O2"])
def test_batch_norm_does_not_see_single_images_turn_while_training(group):
    given = fields(group)
    turn = given.type.fibergroup.element(1.0 if group == "SO2" else (1, 1.0), "radians")
    turned = given.transform_fibers(turn).tensor
    mixed = enn.GeometricTensor(torch.cat([given.tensor[:3], turned[3:]]), given.type)
    norm = FieldBatchNorm(given.type)
    expected = norm(given)
    found = norm(mixed).tensor
    torch.testing.assert_close(found[:3], expected.tensor[:3], atol=1e-5, rtol=0)
    torch.testing.assert_close(
        found[3:], expected.transform_fibers(turn).tensor[3:], atol=1e-5, rtol=0
    )


def test_batch_norm_evaluates_as_escnns_with_the_same_statistics():
    given = fields("O2")
    ours, theirs = FieldBatchNorm(given.type), enn.IIDBatchNorm2d(given.type)
    with torch.no_grad():
        for tensor in (ours.weight, ours.bias, ours.running_mean, ours.running_var):
            tensor.uniform_(0.5, 2.0, generator=torch.Generator().manual_seed(tensor.numel()))
        named = dict([*theirs.named_parameters(), *theirs.named_buffers()])
        for name, tensor in named.items():
            for own in ("weight", "bias", "running_var", "running_mean"):
                if name.endswith(f"_{own}"):
                    tensor[:, 0] = getattr(ours, own)
        torch.testing.assert_close(ours.eval()(given).tensor, theirs.eval()(given).tensor)


def test_gradients_pass_through_the_statistics():
    """Scaling the input does not change the output, so no gradient may point that way."""
    given = fields("SO2")
    given.tensor.requires_grad_()
    norm = FieldBatchNorm(given.type)
    target = torch.randn(given.shape, generator=torch.Generator().manual_seed(2))
    (norm(given).tensor * target).sum().backward()
    along = (given.tensor.grad * given.tensor).sum() / given.tensor.norm()
    assert along.abs() <= 1e-3 * given.tensor.grad.norm()


def test_learned_state_holds_the_running_statistics():
    built, images = prepared("SO2", trained=False)
    other = network("SO2")
    load_learned_state(other, learned_state(built))
    with torch.no_grad():
        assert torch.equal(other.eval()(images), built(images))


@pytest.mark.parametrize(("group", "parameters"), [("SO2", 2_345_386), ("O2", 4_636_714)])
def test_parameters_at_s1s_widths(group, parameters):
    assert count_parameters(HarmonicGCNN(group, Trunk(), 3, 16, 255, 10)) == parameters


def test_what_breaks_rotations_by_90_degrees_is_refused():
    with pytest.raises(InputError, match="input size 64: .* nearest sizes that work are"):
        network("SO2", size=64)
    with pytest.raises(InputError, match="samples 18: allowed are the multiples of 4 above"):
        network("SO2", samples=18)
    with pytest.raises(InputError, match="above 2 \\* band_limit = 8"):
        network("SO2", band_limit=4, samples=8)
    with pytest.raises(InputError, match="group 'C4': allowed are SO2 and O2"):
        network("C4")
