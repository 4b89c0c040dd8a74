"""Augmentation: each part does what it says, against torchvision where it has the same part."""

import math

import numpy as np
import pytest
import torch
from torch.nn.functional import interpolate, max_pool2d, pad
from torchvision.transforms import functional as reference

from equimorph.robustness.degradations.noise import add_photon_noise
from equimorph.training import augment as module
from equimorph.training.augment import Augmentation, augment, mixup

OFF = {"rotation": 0, "flip": 0, "scale": 1, "shift": 0, "brightness": 0}
EVERYTHING = Augmentation(
    rotation=180,
    flip=0.5,
    scale=1.2,
    shift=0.05,
    brightness=0.1,
    shear=20,
    crop_area=(0.8, 1.0),
    crop_aspect=4 / 3,
    perspective=0.2,
    perspective_share=0.5,
    contrast=0.2,
    saturation=0.2,
    hue=0.1,
)
SIZE = 65


def generator(seed=0):
    return torch.Generator().manual_seed(seed)


def only(**parts):
    return Augmentation(**{**OFF, **parts})


def galaxies(count, seed=0, size=SIZE):
    """Smooth coloured images, 40 to 200, that fall off towards the edge."""
    coarse = 40 + 160 * torch.rand(count, 3, 9, 9, generator=generator(seed))
    return interpolate(coarse, size, mode="bicubic").clamp(0, 255).round().to(torch.uint8)


def ramps(count):
    """Images whose first two channels are 100 + 40 x and 100 + 40 y, x and y in [-1, 1]."""
    x = (torch.arange(SIZE) + 0.5) * 2 / SIZE - 1
    y, x = torch.meshgrid(x, x, indexing="ij")
    return (100 + 40 * torch.stack([x, y, torch.zeros_like(x)])).expand(count, -1, -1, -1)


def places(images):
    """Return where the pixels of transformed ramps come from: (B, S, S, 2)."""
    return ((images[:, :2] - 100) / 40).permute(0, 2, 3, 1)


def fitted_homography(places):
    """Return the (3, 3) map from new to old places of (S, S, 2), and its largest error."""
    x = (torch.arange(SIZE) + 0.5) * 2 / SIZE - 1
    new = torch.stack(torch.meshgrid(x, x, indexing="xy"), dim=-1)
    middle = (new.abs() < 0.3).all(-1)  # further out, old places may be mirrored at the edge
    new, old = new[middle].double(), places[middle].double()
    one, zero = torch.ones(len(new), 1), torch.zeros(len(new), 3)
    points = torch.cat([new, one], dim=1)
    equations = torch.cat(
        [
            torch.cat([points, zero, -old[:, :1] * points], dim=1),
            torch.cat([zero, points, -old[:, 1:] * points], dim=1),
        ]
    )
    homography = torch.linalg.eigh(equations.T @ equations)[1][:, 0].reshape(3, 3)
    mapped = points @ homography.T
    error = (mapped[:, :2] / mapped[:, 2:] - old).abs().max()
    return homography / homography[2, 2], float(error)


def test_no_augmentation_is_the_identity():
    images = galaxies(4)
    still = augment(images, only(), generator())
    torch.testing.assert_close(still, images.float(), rtol=0, atol=1e-3)


def test_a_reflection_is_exact():
    images = galaxies(3)
    flipped = augment(images, only(flip=1.0), generator())
    torch.testing.assert_close(flipped, images.flip(3).float(), rtol=0, atol=1e-3)


def test_rotation_keeps_the_flux_of_a_centred_source():
    axis = torch.linspace(-3, 3, SIZE)
    source = 200 * torch.exp(-(axis[:, None] ** 2) - 3 * axis[None, :] ** 2)
    images = source.expand(8, 3, -1, -1)
    turned = augment(images, only(rotation=180), generator())
    assert not torch.allclose(turned, images, atol=20)
    torch.testing.assert_close(turned.sum((1, 2, 3)), images.sum((1, 2, 3)), rtol=0.01, atol=0)


@pytest.mark.parametrize("augmentation", [only(rotation=180, flip=0.5), EVERYTHING])
def test_it_is_seeded_and_differs_between_images(augmentation):
    images = galaxies(1).expand(20, -1, -1, -1)
    one, again = (augment(images, augmentation, generator(3)) for _ in range(2))
    assert torch.equal(one, again)
    assert not torch.equal(one, augment(images, augmentation, generator(4)))
    assert all(not torch.allclose(one[0], other, atol=1) for other in one[1:])
    assert one.isfinite().all() and one.min() >= 0 and one.max() <= 255


def test_a_batch_in_chunks_is_the_batch(monkeypatch):
    images = galaxies(10)
    whole = augment(images, EVERYTHING, generator())
    monkeypatch.setattr(module, "CPU_CHUNK", 3 * SIZE**2)
    torch.testing.assert_close(augment(images, EVERYTHING, generator()), whole, rtol=0, atol=1e-3)


def test_parts_that_are_off_change_no_draws_of_the_others():
    base = {"rotation": 180, "flip": 0.5, "scale": 1.2, "shift": 0.05, "brightness": 0.1}
    grey = galaxies(6)[:, :1].expand(-1, 3, -1, -1)  # saturation and hue leave grey alone
    expected = augment(grey, Augmentation(**base), generator(5))
    coloured = augment(grey, Augmentation(**base, saturation=0.5, hue=0.2), generator(5))
    torch.testing.assert_close(coloured, expected, rtol=0, atol=1e-3)


def test_all_geometry_is_one_homography():
    geometry = only(
        rotation=180, scale=1.2, shift=0.05, shear=20, crop_area=(0.8, 1), perspective=0.2
    )
    for image in places(augment(ramps(6), geometry, generator())):
        homography, error = fitted_homography(image)
        assert error < 1e-4
        assert homography[2, :2].norm() > 1e-3 and homography[0, 1].abs() > 1e-3


def test_shear_slides_rows_by_at_most_its_angle():
    moved = augment(ramps(30), only(shear=20), generator())
    maps = [fitted_homography(place)[0] for place in places(moved)]
    slopes = torch.stack(maps)[:, 0, 1]
    assert slopes.abs().max() <= math.tan(math.radians(20)) + 1e-4
    assert slopes.min() < -0.2 and slopes.max() > 0.2
    for homography, slope in zip(maps, slopes, strict=True):
        expected = torch.eye(3).double()
        expected[0, 1] = slope
        torch.testing.assert_close(homography, expected, rtol=0, atol=1e-3)


def test_a_shear_comes_on_top_of_the_rotation():
    moved = augment(ramps(30), only(rotation=180, shear=20), generator())
    maps = torch.stack([fitted_homography(place)[0] for place in places(moved)])
    along, across = maps[:, :2, 0], maps[:, :2, 1]
    torch.testing.assert_close(along.norm(dim=1), torch.ones(30).double(), rtol=0, atol=1e-3)
    assert along[:, 0].min() < -0.5 and along[:, 0].max() > 0.5
    assert (along * across).sum(1).abs().max() > 0.2


def test_a_resized_crop_has_its_area_and_ratio_and_lies_inside():
    crop = only(crop_area=(0.5, 0.7), crop_aspect=1.3)
    maps = torch.stack(
        [fitted_homography(p)[0] for p in places(augment(ramps(40), crop, generator()))]
    )
    width, height, x, y = maps[:, 0, 0], maps[:, 1, 1], maps[:, 0, 2], maps[:, 1, 2]
    area, ratio = width * height, width / height
    assert 0.5 - 1e-3 <= area.min() < 0.54 and 0.66 < area.max() <= 0.7 + 1e-3
    assert 1 / 1.3 - 1e-3 <= ratio.min() < 0.83 and 1.2 < ratio.max() <= 1.3 + 1e-3
    assert (x.abs() + width).max() <= 1 + 1e-3 and (y.abs() + height).max() <= 1 + 1e-3
    assert x.std() > 0.05 and y.std() > 0.05


def test_a_perspective_moves_corners_inwards_as_torchvision_does():
    images = galaxies(20).float()
    moved = augment(images, only(perspective=0.4), generator(2))
    maps = [
        fitted_homography(p)[0]
        for p in places(augment(ramps(20), only(perspective=0.4), generator(2)))
    ]
    square = torch.tensor([[-1.0, -1, 1], [1, -1, 1], [1, 1, 1], [-1, 1, 1]]).double()
    for image, new, homography in zip(images, moved, maps, strict=True):
        corners = square @ homography.inverse().T
        corners = corners[:, :2] / corners[:, 2:]
        inwards = 1 - corners * square[:, :2]
        assert inwards.min() > -1e-3 and inwards.max() <= 0.4 + 1e-3
        expected = reference.perspective(
            image,
            ((square[:, :2] + 1) * SIZE / 2).tolist(),
            ((corners + 1) * SIZE / 2).tolist(),
            reference.InterpolationMode.BILINEAR,
        )
        # torchvision fills with black where ours mirrors the edge: 2 px within are compared.
        black = pad((expected.sum(0, keepdim=True) == 0).float(), (2, 2, 2, 2), value=1)
        inside = max_pool2d(black, 5, 1)[0] == 0
        assert inside.float().mean() > 0.3
        torch.testing.assert_close(new[:, inside], expected[:, inside], rtol=0, atol=0.05)


def test_the_share_of_perspectives():
    images = galaxies(1).expand(400, -1, -1, -1)
    moved = augment(images, only(perspective=0.3, perspective_share=0.3), generator())
    changed = (moved - images).abs().amax((1, 2, 3)) > 1
    assert 0.22 < changed.float().mean() < 0.38  # 0.3, three standard errors


def test_the_largest_perspective_is_finite():
    corners = (torch.arange(256)[:, None] >> torch.arange(8) & 1).T.float()
    draws = torch.cat([corners, torch.zeros(1, 256)])
    maps = module._perspectives(draws, only(perspective=0.4))
    depth = maps @ torch.tensor([[-1.0, -1, 1], [1, -1, 1], [1, 1, 1], [-1, 1, 1]]).T
    depth = depth[:, 2]
    assert (depth * depth[:, :1] > 0).all()  # no horizon inside the image


@pytest.mark.parametrize("size", [0.0, 0.3])
def test_brightness_and_contrast_follow_torchvision(size):
    images = galaxies(5, seed=1).float() / 3 + 60  # nothing is clipped
    changed = augment(images, only(brightness=0.2, contrast=size), generator(1))
    draws = generator(1)
    flux = 1 + 0.2 * (2 * torch.rand(6, 5, generator=draws)[5] - 1)
    factors = 1 + size * (2 * torch.rand(3, 5, generator=draws)[0] - 1)
    for image, new, bright, factor in zip(images, changed, flux, factors, strict=True):
        expected = reference.adjust_contrast(image / 255, float(factor)) * 255 * bright
        torch.testing.assert_close(new, expected, rtol=0, atol=0.05)


def test_saturation_follows_torchvision():
    images = galaxies(5, seed=1).float() / 3 + 60
    changed = augment(images, only(saturation=0.4), generator(1))
    draws = generator(1)
    torch.rand(6, 5, generator=draws)
    factors = 1 + 0.4 * (2 * torch.rand(3, 5, generator=draws)[1] - 1)
    for image, new, factor in zip(images, changed, factors, strict=True):
        expected = reference.adjust_saturation(image / 255, float(factor)) * 255
        # torchvision's weights of the colours have four digits, and sum to 0.9999.
        torch.testing.assert_close(new, expected, rtol=0, atol=0.05)


def test_hue_turns_colours_about_grey():
    images = galaxies(5, seed=1).float() / 3 + 60
    turned = augment(images, only(hue=0.3), generator(1))
    assert (turned - images).abs().amax((1, 2, 3)).min() > 0.1
    torch.testing.assert_close(turned.mean(1), images.mean(1), rtol=0, atol=1e-2)
    away = [(i - i.mean(1, keepdim=True)).norm(dim=1) for i in (turned, images)]
    torch.testing.assert_close(away[0], away[1], rtol=0, atol=1e-2)


def test_mixup_mixes_images_and_targets_alike():
    classes = torch.arange(16) % 4
    targets = torch.nn.functional.one_hot(classes, 4).float()
    images = (50.0 * classes)[:, None, None, None].expand(-1, 3, 5, 5)
    shares = []
    for seed in range(200):
        mixed, soft = mixup([images, targets], 0.4, generator(seed))
        torch.testing.assert_close(soft.sum(1), torch.ones(16))
        expected = (soft * 50 * torch.arange(4)).sum(1)
        torch.testing.assert_close(mixed[:, 0, 0, 0], expected, rtol=0, atol=1e-3)
        shares.append(float(soft[soft > 1e-6].min()))
    again = mixup([images, targets], 0.4, generator(199))
    assert torch.equal(again[0], mixed) and torch.equal(again[1], soft)
    # Of Beta(0.4, 0.4), 46 % lies within 0.1 of 0 or 1 (scipy.stats); sd of the count 3.5 %.
    assert 0.35 < sum(share < 0.1 for share in shares) / 200 < 0.57


def test_noise_has_the_variance_of_the_conditions_formula():
    """An even image of value I gains I (1 - s^2) / (k s^2) for the share s that is left."""
    images = torch.full((400, 3, 33, 33), 100.0)
    noisy = augment(images, only(noise=0.5, noise_gain=5.0), generator(2))
    # The draws before: six for the map.
    rng = generator(2)
    torch.rand(6, 400, generator=rng)
    left = (1 - 0.5 * torch.rand(400, generator=rng)) ** 2
    expected = 100 * (1 - left) / (left * 5)
    assert noisy.mean() == pytest.approx(100, abs=0.1)
    assert torch.allclose(noisy.var(dim=(1, 2, 3)), expected, rtol=0.15, atol=0.05)
    degraded = [
        add_photon_noise(np.full((33, 33, 3), 100, np.uint8), 0.5, np.random.default_rng(i), 5.0)
        for i in range(50)
    ]
    assert expected.max() == pytest.approx(np.var(degraded), rel=0.1)


def test_no_noise_draws_no_numbers():
    first, second = generator(3), generator(3)
    images = galaxies(2)
    assert torch.equal(
        augment(images, only(), first), augment(images, only(noise=0.0, noise_gain=2.0), second)
    )
    assert torch.equal(first.get_state(), second.get_state())
