"""Augmentation of a whole batch in one resampling, on the batch's device."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch.nn.functional import grid_sample

# Pixels that one CPU thread resamples at a time, 2 images at 255 px: floats and grid then stay in
# its cache and the memory is recycled: twice as fast as a batch of 64 at once (one thread).
CPU_CHUNK = 2**17
LUMA = (0.299, 0.587, 0.114)  # Rec. 601, as torchvision's greyscale
CORNERS = ((-1.0, -1.0), (1.0, -1.0), (1.0, 1.0), (-1.0, 1.0))


@dataclass(frozen=True)
class Augmentation:
    """Ranges of the random map and of the random colours that each image goes through.

    Attributes:
        rotation: largest angle in degrees; 180 means any orientation.
        flip: probability of a reflection.
        scale: largest zoom s; the factor is log-uniform in [1/s, s].
        shift: largest shift as a fraction of the image's side.
        brightness: largest change b of the flux scale; the factor is uniform in [1 - b, 1 + b].
        shear: largest angle in degrees.
        crop_area: least and largest share of the area that is cut out and resized to the whole.
        crop_aspect: largest ratio a of the cut-out's sides; it is log-uniform in [1/a, a].
        perspective: largest shift of each corner inwards, as a fraction of half the side, at most
            0.4: beyond that, the horizon may come into the image.
        perspective_share: probability of a perspective.
        contrast: largest change c; pixel values move from their mean by a factor in [1 - c, 1 + c].
        saturation: the same for the distance of colours from grey.
        hue: largest rotation of the colours about grey, as a fraction of a full turn.
        noise: largest loss of signal-to-noise by photon noise, below 1; drawn from [0, noise].
        noise_gain: electrons per pixel value, on which that noise depends.
    """

    rotation: float
    flip: float
    scale: float
    shift: float
    brightness: float
    shear: float = 0.0
    crop_area: tuple[float, float] = (1.0, 1.0)
    crop_aspect: float = 1.0
    perspective: float = 0.0
    perspective_share: float = 1.0
    contrast: float = 0.0
    saturation: float = 0.0
    hue: float = 0.0
    noise: float = 0.0
    noise_gain: float = 0.34


def augment(
    images: torch.Tensor, augmentation: Augmentation, generator: torch.Generator
) -> torch.Tensor:
    """Map each image by its own random homography, in one resampling, and change its colours.

    Args:
        images: (B, 3, S, S) pixel values, of any type.
        augmentation: the ranges.
        generator: source of the draws, on the CPU, so that a seed means the same on every device.

    Returns:
        (B, 3, S, S) float pixel values, bilinear; the edge is mirrored where the map reaches out.
    """
    draws = torch.rand(6, len(images), generator=generator)
    flux = 1 + augmentation.brightness * (2 * draws[5] - 1)
    maps = _similarities(draws, augmentation)
    # Parts that are off draw no numbers, so a new part changes no run in which it is off.
    if augmentation.shear:
        maps = maps @ _shears(torch.rand(len(images), generator=generator), augmentation)
    if tuple(augmentation.crop_area) != (1, 1) or augmentation.crop_aspect != 1:
        maps = _crops(torch.rand(4, len(images), generator=generator), augmentation) @ maps
    if augmentation.perspective:
        draws = torch.rand(9, len(images), generator=generator)
        maps = maps @ _perspectives(draws, augmentation)
    colours = None
    if augmentation.contrast or augmentation.saturation or augmentation.hue:
        draws = 2 * torch.rand(3, len(images), generator=generator) - 1
        colours = _colours(draws, augmentation).to(images.device)
        contrast = (1 + augmentation.contrast * draws[0]).to(images.device)

    maps, flux = maps.to(images.device), flux.to(images.device)[:, None, None, None]
    augmented = torch.empty(images.shape, dtype=torch.float32, device=images.device)
    chunk = len(images)
    if images.is_cpu:
        chunk = torch.get_num_threads() * max(1, CPU_CHUNK // images[0, 0].numel())
    for start in range(0, len(images), chunk):
        part = slice(start, start + chunk)
        mapped = _resample(images[part].float(), maps[part], augmentation.perspective > 0)
        if colours is not None:
            mapped = _recolour(mapped, colours[part], contrast[part])
        torch.mul(mapped, flux[part], out=augmented[part]).clamp_(0, 255)
    if augmentation.noise:
        _add_noise(augmented, augmentation, generator)
    return augmented


def _add_noise(
    images: torch.Tensor, augmentation: Augmentation, generator: torch.Generator
) -> None:
    """Lower each image's signal-to-noise ratio by a random share, in place.

    As the condition `noise` does by its physical formula (robustness/degradations/noise.py), with a
    normal distribution in place of Poisson's: where I is the pixel value, k the gain and s what is
    left of the ratio, the variance of what is added is I (1 - s^2) / (k s^2).
    """
    level = augmentation.noise * torch.rand(len(images), generator=generator)
    left = (1 - level) ** 2
    variance = ((1 - left) / (left * augmentation.noise_gain)).to(images.device)
    noise = torch.randn(images.shape, generator=generator).to(images.device)
    images.addcmul_(noise, (images * variance[:, None, None, None]).sqrt_()).clamp_(0, 255)


def mixup(
    batch: Sequence[torch.Tensor], alpha: float, generator: torch.Generator
) -> list[torch.Tensor]:
    """Mix each image, and all that belongs to it, with another of the batch (Zhang et al. 2018).

    Args:
        batch: tensors with a row per image, all mixed in the same shares: images, what is measured
            on them, and targets as probabilities.
        alpha: the share is drawn from Beta(alpha, alpha), one per batch.
        generator: source of the draws, on the CPU.
    """
    # torch's own Beta takes no generator.
    seed = int(torch.randint(2**62, (), generator=generator))
    share = np.random.default_rng(seed).beta(alpha, alpha)
    partner = torch.randperm(len(batch[0]), generator=generator).to(batch[0].device)
    return [each.lerp(each[partner], share) for each in batch]


# All maps are (B, 3, 3) homographies from places in the new image to places in the old one, in
# coordinates from -1 to 1.


def _similarities(draws: torch.Tensor, augmentation: Augmentation) -> torch.Tensor:
    angle = (2 * draws[0] - 1) * torch.pi * augmentation.rotation / 180
    reflect = torch.where(draws[1] < augmentation.flip, -1.0, 1.0)
    zoom = augmentation.scale ** (2 * draws[2] - 1)
    shift = (2 * draws[3:5] - 1) * 2 * augmentation.shift
    cosine, sine = torch.cos(angle) / zoom, torch.sin(angle) / zoom
    return _matrices([[cosine * reflect, -sine, shift[0]], [sine * reflect, cosine, shift[1]]])


def _shears(draws: torch.Tensor, augmentation: Augmentation) -> torch.Tensor:
    slope = torch.tan((2 * draws - 1) * math.radians(augmentation.shear))
    one, zero = torch.ones_like(slope), torch.zeros_like(slope)
    return _matrices([[one, slope, zero], [zero, one, zero]])


def _crops(draws: torch.Tensor, augmentation: Augmentation) -> torch.Tensor:
    least, largest = augmentation.crop_area
    area = least + (largest - least) * draws[0]
    ratio = augmentation.crop_aspect ** (2 * draws[1] - 1)
    width, height = (area * ratio).sqrt().clamp(max=1), (area / ratio).sqrt().clamp(max=1)
    x, y = (2 * draws[2] - 1) * (1 - width), (2 * draws[3] - 1) * (1 - height)
    zero = torch.zeros_like(x)
    return _matrices([[width, zero, x], [zero, height, y]])


def _perspectives(draws: torch.Tensor, augmentation: Augmentation) -> torch.Tensor:
    corners = torch.tensor(CORNERS)
    inwards = augmentation.perspective * draws[:8].T.reshape(-1, 4, 2)
    inwards[draws[8] >= augmentation.perspective_share] = 0
    square = _projective_basis(corners[None].double())
    return (square @ _projective_basis((corners * (1 - inwards)).double()).inverse()).float()


def _projective_basis(corners: torch.Tensor) -> torch.Tensor:
    """Return (B, 3, 3): the homography that takes the unit vectors and (1, 1, 1) to 4 corners."""
    points = torch.cat([corners, torch.ones_like(corners[..., :1])], dim=2).mT
    weights = torch.linalg.solve(points[:, :, :3], points[:, :, 3])
    return points[:, :, :3] * weights[:, None]


def _matrices(rows: list[list[torch.Tensor]]) -> torch.Tensor:
    upper = torch.stack([torch.stack(row, dim=1) for row in rows], dim=1)
    last = torch.tensor([0.0, 0.0, 1.0]).expand(len(upper), 1, 3)
    return torch.cat([upper, last], dim=1)


def _resample(images: torch.Tensor, maps: torch.Tensor, perspective: bool) -> torch.Tensor:
    size = images.shape[-1]
    place = torch.linspace(-1, 1, size, device=images.device) * (size - 1) / size
    # The sums of affine_grid, to the bit, but from a row and a column: 8 times faster on a CPU.
    rows = maps[:, :, :, None] if perspective else maps[:, :2, :, None]
    planes = rows[:, :, 0:1] * place + rows[:, :, 1:2] * place[:, None] + rows[:, :, 2:3]
    if perspective:  # the third homogeneous coordinate; 1 in affine maps
        planes = planes[:, :2] / planes[:, 2:]
    return grid_sample(
        images,
        planes.permute(0, 2, 3, 1),
        mode="bilinear",
        padding_mode="reflection",
        align_corners=False,
    )


def _colours(draws: torch.Tensor, augmentation: Augmentation) -> torch.Tensor:
    """Return the (B, 3, 3) matrices of saturation and hue; grey stays grey under both."""
    saturation = (1 + augmentation.saturation * draws[1])[:, None, None]
    to_grey = torch.tensor(LUMA).expand(3, 3)
    angle = (2 * torch.pi * augmentation.hue * draws[2])[:, None, None]
    axis = torch.tensor([[0.0, -1.0, 1.0], [1.0, 0.0, -1.0], [-1.0, 1.0, 0.0]]) / math.sqrt(3)
    rotation = torch.eye(3) + torch.sin(angle) * axis + (1 - torch.cos(angle)) * (axis @ axis)
    return (saturation * torch.eye(3) + (1 - saturation) * to_grey) @ rotation


def _recolour(images: torch.Tensor, matrices: torch.Tensor, contrast: torch.Tensor) -> torch.Tensor:
    pixels = images.flatten(2)
    luma = torch.tensor(LUMA, device=images.device)
    mean = ((matrices @ pixels.mean(2, keepdim=True))[..., 0] * luma).sum(1)
    offset = ((1 - contrast) * mean)[:, None, None]
    return torch.baddbmm(offset, matrices * contrast[:, None, None], pixels).view_as(images)
