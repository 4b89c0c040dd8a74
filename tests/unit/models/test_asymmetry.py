"""The asymmetry index: exact symmetry, analytic values, the sky's share taken out."""

import math

import pytest
import torch

from equimorph.models.asymmetry import (
    KEPT,
    KEPT_VARIANCE,
    asymmetry,
    asymmetry_index,
    published_asymmetry,
    published_index,
)
from equimorph.models.head import circular_mask


def coordinates(size):
    axis = torch.arange(size, dtype=torch.float64) - (size - 1) / 2
    return axis[:, None], axis[None, :]


def symmetric_galaxy(size):
    rows, columns = coordinates(size)
    light = 200 * torch.exp(-torch.hypot(rows / 0.6, columns) / (size / 16))
    return light.expand(1, 3, size, size)


def disturbed_galaxy(size):
    rows, columns = coordinates(size)
    tail = 40 * torch.exp(-torch.hypot(rows - size / 8, columns - size / 6) / (size / 20))
    return symmetric_galaxy(size) + tail


def noise(size, sigma=6.0, seed=0):
    generator = torch.Generator().manual_seed(seed)
    return sigma * torch.randn(1, 3, size, size, generator=generator)


@pytest.mark.parametrize("background", [False, True])
@pytest.mark.parametrize("size", [64, 65])
def test_symmetric_images_have_index_0(size, background):
    image = symmetric_galaxy(size)
    image = (image + image.flip((2, 3))) / 2
    assert asymmetry_index(image, background).tolist() == [0.0]


@pytest.mark.parametrize("size", [64, 65])
def test_antisymmetric_images_on_an_offset_have_the_analytic_index(size):
    """I = c + a with a antisymmetric: A^2 = 2 <a^2> / (c^2 + <a^2>), means over the disc."""
    rows, columns = coordinates(size)
    wave = 50 * torch.sin(rows / 5 + columns / 9)
    offset = torch.tensor([60.0, 90.0, 120.0])[None, :, None, None]
    power = (circular_mask(size) * wave**2).sum() / circular_mask(size).sum()
    expected = (2 * power / (offset**2 + power)).sqrt().mean().item()
    measured = asymmetry_index(offset + wave[None, None], background=False)
    assert measured.item() == pytest.approx(expected, rel=1e-5)


def test_bytes_do_not_wrap_around():
    """10 - 250 is -240, not 16, and its square does not fit in a byte either."""
    image = torch.full((1, 3, 65, 65), 10, dtype=torch.uint8)
    image[..., :32] = 250
    index = asymmetry_index(image, background=False).item()
    assert index == asymmetry_index(image.double(), background=False).item()
    assert index == pytest.approx(240 / math.sqrt(250**2 + 10**2), rel=0.02)


def test_the_index_lies_between_0_and_root_2():
    image = torch.zeros(2, 3, 65, 65)
    image[0, :, 20, 20] = 255
    index = asymmetry_index(image)
    assert index[0].item() == pytest.approx(1, rel=1e-6)
    wave = 100 * torch.sin(coordinates(65)[0] / 5).expand(1, 3, 65, 65)
    assert asymmetry_index(wave, background=False).item() == pytest.approx(math.sqrt(2), rel=1e-6)


@pytest.mark.parametrize("background", [False, True])
@pytest.mark.parametrize("level", [0, 255])
def test_flat_images_are_finite(level, background):
    image = torch.full((2, 3, 65, 65), level, dtype=torch.uint8)
    assert asymmetry_index(image, background).tolist() == [0.0, 0.0]


def test_the_background_term_takes_the_noise_out():
    image = 32 + symmetric_galaxy(129) + noise(129)
    without_sky = asymmetry_index(image - 32, background=False).item()
    assert without_sky > 0.2
    assert asymmetry_index(image).item() < 0.4 * without_sky


def test_the_index_of_a_disturbed_galaxy_survives_sky_and_noise():
    clean = asymmetry_index(disturbed_galaxy(129), background=False).item()
    noisy = [asymmetry_index(32 + disturbed_galaxy(129) + noise(129, 3.0, s)) for s in range(4)]
    assert clean > 0.1
    assert torch.cat(noisy).mean().item() == pytest.approx(clean, rel=0.1)


def test_a_neighbour_in_the_rim_is_not_taken_for_noise():
    image = 32 + disturbed_galaxy(129) + noise(129, 3.0)
    alone = asymmetry_index(image).item()
    rows, columns = coordinates(129)
    neighbour = 150 * torch.exp(-((rows - 58) ** 2 + columns**2) / 8)
    assert asymmetry_index(image + neighbour).item() > alone


def test_the_kept_share_of_a_gaussian_has_the_stated_variance():
    values = torch.randn(400_000, generator=torch.Generator().manual_seed(1)).square().sort().values
    assert values[: int(KEPT * len(values))].mean().item() == pytest.approx(KEPT_VARIANCE, rel=0.01)


@pytest.mark.parametrize("background", [False, True])
@pytest.mark.parametrize("size", [64, 65])
def test_rotations_by_90_degrees_and_reflections_change_nothing(size, background):
    image = (32 + disturbed_galaxy(size) + noise(size)).float()
    index = asymmetry_index(image, background)
    for moved in (*(image.rot90(turns, (2, 3)) for turns in (1, 2, 3)), image.flip(2)):
        torch.testing.assert_close(asymmetry_index(moved, background), index, rtol=0, atol=1e-6)


def test_each_image_counts_alone_whatever_the_block():
    images = torch.cat([symmetric_galaxy(65), disturbed_galaxy(65)]).repeat(40, 1, 1, 1)
    stored = images.to(torch.uint8).permute(0, 2, 3, 1).numpy()
    for measure, index in ((asymmetry, asymmetry_index), (published_asymmetry, published_index)):
        found = measure(stored)
        assert found.shape == (80, 1) and found.dtype == torch.float32
        one, other = (index(images[i : i + 1].to(torch.uint8)).item() for i in (0, 1))
        assert found[:, 0].tolist() == 40 * [one, other]
        assert measure(stored[:0]).shape == (0, 1)


def by_hand(channel):
    """S2's index of one channel, pixel by pixel: bytes wrap around, 128 is the centre of 256."""
    size = len(channel)
    asymmetric = light = 0
    for row in range(size):
        for column in range(size):
            place = [min(2 * (size // 2) - i, size - 1) for i in (row, column)]
            difference = (int(channel[row, column]) - int(channel[*place])) % 256
            asymmetric += difference**2 % 256
            light += int(channel[row, column]) ** 2 % 256
    return math.sqrt(asymmetric / 2 / light)


@pytest.mark.parametrize("size", [16, 17])
def test_the_published_index_wraps_around_and_misses_the_centre_of_even_images(size):
    draw = torch.Generator().manual_seed(2)
    image = torch.randint(256, (1, 3, size, size), dtype=torch.uint8, generator=draw)
    expected = sum(by_hand(channel.numpy()) for channel in image[0]) / 3
    assert published_index(image).item() == pytest.approx(expected, rel=1e-6)
    symmetric = torch.maximum(image, image.flip((2, 3)))
    assert (published_index(symmetric).item() == 0) == (size == 17)


def test_the_published_index_of_black_images_is_finite():
    assert published_index(torch.zeros(2, 3, 8, 8, dtype=torch.uint8)).tolist() == [0.0, 0.0]
