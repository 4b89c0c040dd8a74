"""Augmentation of a whole batch in one resampling, on the batch's device."""

from dataclasses import dataclass

import torch
from torch.nn.functional import affine_grid, grid_sample


@dataclass(frozen=True)
class Augmentation:
    """Ranges of the random affine map that each image goes through.

    Attributes:
        rotation: largest angle in degrees; 180 means any orientation.
        flip: probability of a reflection.
        scale: largest zoom s; the factor is log-uniform in [1/s, s].
        shift: largest shift as a fraction of the image's side.
        brightness: largest change b of the flux scale; the factor is uniform in [1 - b, 1 + b].
    """

    rotation: float
    flip: float
    scale: float
    shift: float
    brightness: float


def augment(
    images: torch.Tensor, augmentation: Augmentation, generator: torch.Generator
) -> torch.Tensor:
    """Map each image by its own random rotation, reflection, zoom and shift, in one resampling.

    Args:
        images: (B, C, S, S) grey levels, of any type.
        augmentation: the ranges.
        generator: on the CPU, so that a seed means the same draws on every device.

    Returns:
        (B, C, S, S) float grey levels, bilinear; the edge is mirrored where the map reaches out.
    """
    draws = torch.rand(6, len(images), generator=generator)
    angle = (2 * draws[0] - 1) * torch.pi * augmentation.rotation / 180
    reflect = torch.where(draws[1] < augmentation.flip, -1.0, 1.0)
    zoom = augmentation.scale ** (2 * draws[2] - 1)
    shift = (2 * draws[3:5] - 1) * 2 * augmentation.shift
    cosine, sine = torch.cos(angle) / zoom, torch.sin(angle) / zoom
    affine = torch.stack(
        [
            torch.stack([cosine * reflect, -sine, shift[0]], dim=1),
            torch.stack([sine * reflect, cosine, shift[1]], dim=1),
        ],
        dim=1,
    ).to(images.device)
    flux = 1 + augmentation.brightness * (2 * draws[5] - 1)
    grid = affine_grid(affine, list(images.shape), align_corners=False)
    moved = grid_sample(
        images.float(), grid, mode="bilinear", padding_mode="reflection", align_corners=False
    )
    return (moved * flux.to(images.device)[:, None, None, None]).clamp_(0, 255)
