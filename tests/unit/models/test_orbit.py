"""Orbit averaging makes any network invariant, at test time only."""

import pytest
import torch
from torch.nn.functional import interpolate

from equimorph.groups.names import parse_group
from equimorph.models.architectures.cnn import CNN
from equimorph.models.head import circular_mask
from equimorph.models.initialisation import initialise
from equimorph.models.orbit import OrbitAverage, TurnAverage, orbit, rotate, turned
from equimorph.models.trunk import Trunk

SIZE = 33
TRUNK = Trunk(fields=(4, 6, 8), pool_after=(1, 2), stem_stride=1)


def galaxies(count=5, size=SIZE):
    generator = torch.Generator().manual_seed(5)
    coarse = torch.rand(count, 3, 7, 7, generator=generator) * 255
    return interpolate(coarse, (size, size), mode="bicubic").clamp(0, 255)


def wrapped(group, size=SIZE):
    """Return an orbit average over a network whose batch norm knows the galaxies."""
    network = OrbitAverage(CNN(TRUNK, size, "pool", 10), parse_group(group))
    initialise(network, torch.Generator().manual_seed(3))
    for module in network.modules():
        if isinstance(module, torch.nn.modules.batchnorm._BatchNorm):
            module.momentum = 1.0
    network.train()
    with torch.no_grad():
        network(galaxies(size=size))
    return network.eval()


def largest_change(network, images, transformed):
    with torch.no_grad():
        return (network(images) - network(transformed)).abs().max().item()


@pytest.mark.parametrize("group", ["C4", "D4", "C8", "D8"])
def test_rotations_by_90_degrees_change_nothing(group):
    network, images = wrapped(group), galaxies()
    for turns in (1, 2, 3):
        transformed = images.rot90(turns, (2, 3))
        assert largest_change(network, images, transformed) <= 1e-5
        assert largest_change(network.network, images, transformed) > 1e-2


@pytest.mark.parametrize("group", ["D1", "D2", "D4", "D8"])
def test_reflections_change_nothing(group):
    network, images = wrapped(group), galaxies()
    for axis in (3,) if group == "D1" else (2, 3):
        assert largest_change(network, images, images.flip(axis)) <= 1e-5


def test_even_sizes_are_invariant_too():
    network, images = wrapped("D4", 32), galaxies(size=32)
    assert largest_change(network, images, images.rot90(1, (2, 3)).flip(2)) <= 1e-5


@pytest.mark.parametrize(("group", "larger"), [("C2", "C4"), ("C4", "D4")])
def test_no_larger_group_is_covered(group, larger):
    network, images = wrapped(group), galaxies()
    changes = [
        largest_change(network, images, transformed)
        for transformed in orbit(images, parse_group(larger))
    ]
    assert max(changes) > 1e-3


def test_angles_between_are_nearly_covered():
    """45 degrees belong to C8, but resampling is not exact: C8 changes less than C4 does."""
    images = galaxies(size=65)
    transformed = rotate(images, 45)
    assert largest_change(wrapped("C8", 65), images, transformed) < 0.5 * largest_change(
        wrapped("C4", 65), images, transformed
    )


@pytest.mark.parametrize(("group", "order"), [("C1", 1), ("D2", 4), ("C8", 8), ("D16", 32)])
def test_an_orbit_has_as_many_different_images_as_the_group_elements(group, order):
    images = list(orbit(galaxies(1), parse_group(group)))
    assert len(images) == parse_group(group).order == order
    assert all(
        (one - other).abs().max() > 1
        for position, one in enumerate(images)
        for other in images[:position]
    )


def test_exact_elements_only_move_pixels():
    image = galaxies(1).to(torch.uint8)
    for transformed in orbit(image, parse_group("D4")):
        assert transformed.dtype == torch.uint8
        assert torch.equal(transformed.flatten().sort().values, image.flatten().sort().values)


@pytest.mark.parametrize("size", [32, 33])
def test_resampling_turns_about_the_centre_and_like_rot90(size):
    images = galaxies(size=size)
    torch.testing.assert_close(rotate(images, 90), images.rot90(1, (2, 3)), rtol=0, atol=0.05)
    smooth = interpolate(images[..., ::4, ::4], (size, size), mode="bicubic")
    there_and_back = rotate(rotate(smooth, 30), -30)
    inside = circular_mask(size, margin=0.1) == 1
    assert (there_and_back - smooth)[..., inside].abs().mean() < 0.05 * smooth.std()


def test_logits_are_averaged():
    network, images = wrapped("C4"), galaxies()
    with torch.no_grad():
        copies = [network.network(images.rot90(turns, (2, 3))) for turns in range(4)]
        torch.testing.assert_close(network(images), torch.stack(copies).mean(0))


def test_training_leaves_the_network_as_it_is():
    network, images = wrapped("D4").train(), galaxies()
    torch.testing.assert_close(network(images), network.network(images), rtol=0, atol=0)


def test_initialisation_is_the_wrapped_networks():
    network, alone = wrapped("D4").network, CNN(TRUNK, SIZE, "pool", 10)
    initialise(alone, torch.Generator().manual_seed(3))
    drawn = dict(alone.named_parameters())
    assert all(torch.equal(p, drawn[name]) for name, p in network.named_parameters())


def test_gradients_reach_the_image():
    images = galaxies().requires_grad_()
    wrapped("C8")(images).sum().backward()
    assert images.grad.abs().max() > 0


def test_turns_by_the_angles_of_a_group_are_its_orbit_average():
    network = wrapped("C8")
    turns = TurnAverage(network.network, [45 * step for step in range(8)]).eval()
    with torch.no_grad():
        assert torch.allclose(turns(galaxies()), network(galaxies()), atol=1e-5)


def test_turns_average_the_logits_of_the_given_angles():
    network, images = wrapped("C1").network, galaxies()
    with torch.no_grad():
        mean = (network(images) + network(rotate(images, 30)) + network(turned(images, 120))) / 3
        assert torch.allclose(TurnAverage(network, [0, 30, 120]).eval()(images), mean, atol=1e-5)


def test_quarter_turns_only_move_pixels():
    images = galaxies()
    for quarters in range(4):
        assert torch.equal(turned(images, 90 * quarters), images.rot90(quarters, (2, 3)))
