"""The first layers that all networks share, and the head of S1's networks."""

from collections.abc import Sequence

import torch
from torch import nn

from equimorph.choices import choose
from equimorph.models.trunk import HEAD_WIDTHS

# Mean (37.3, test images of arXiv:2311.01500) and about the sd of Galaxy10 DECaLS' pixel values.
# The same constants for every data set, so that a network carries over to another one.
PIXEL_MEAN = 37.3
PIXEL_SCALE = 40.0
# Mean and standard deviation of the images that ImageNet's published weights were trained on.
IMAGENET_MEAN = tuple(255 * mean for mean in (0.485, 0.456, 0.406))
IMAGENET_SCALE = tuple(255 * deviation for deviation in (0.229, 0.224, 0.225))
# What becomes 0 and what becomes 1: `symmetric` maps pixel values to -1 … 1 (S1, S2, S4's
# transformer), `unit` to 0 … 1 (S3); `auto` leaves each network its own, Galaxy10's or, where it
# starts from published weights, ImageNet's.
NORMALISATIONS: dict[str, tuple] = {
    "auto": (),
    "symmetric": (127.5, 127.5),
    "unit": (0.0, 255.0),
    "imagenet": (IMAGENET_MEAN, IMAGENET_SCALE),
}


def circular_mask(size: int, margin: float = 0.01) -> torch.Tensor:
    """Return a disc that is 1 inside and falls to 0 over one pixel at the edge.

    Args:
        size: side of the square in px.
        margin: width of the rim that is left out, as a fraction of `size`.

    Returns:
        (size, size) float tensor, symmetric under rotations by 90 degrees and reflections.
    """
    coordinate = torch.arange(size) - (size - 1) / 2
    radius = torch.sqrt(coordinate[:, None] ** 2 + coordinate[None, :] ** 2)
    return (size / 2 - margin * size - radius + 0.5).clamp(0, 1)


def escnn_mask(size: int) -> torch.Tensor:
    """Return the disc of escnn's MaskModule with a margin of 1 % of the radius, S1's and S2's.

    Its edge is hard to within a pixel's diagonal: at 255 px it leaves 49,677 px, `circular_mask`
    49,025.
    """
    coordinate = torch.arange(size, dtype=torch.float64) - (size - 1) / 2
    square = coordinate[:, None] ** 2 + coordinate[None, :] ** 2
    return (((0.99 * (size - 1) / 2) ** 2 - square) / 4).clamp_max(0).exp().float()


MASKS = {
    "soft": circular_mask,
    "hard": escnn_mask,
    "none": lambda size: torch.ones(size, size),
}


class Normalise(nn.Module):
    """Turn pixel values 0-255 into floats about 0."""

    def __init__(
        self,
        mean: float | Sequence[float] = PIXEL_MEAN,
        scale: float | Sequence[float] = PIXEL_SCALE,
    ):
        """Keep the statistics.

        Args:
            mean: pixel value that becomes 0, one for all channels or one for each.
            scale: difference of pixel values that becomes 1, likewise.
        """
        super().__init__()
        self.mean, self.scale = _per_channel(mean), _per_channel(scale)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Map (B, 3, H, W) pixel values, of any type, to floats of the same shape."""
        values = images if images.is_floating_point() else images.float()
        return (values - self.mean) / self.scale


class CircularMask(nn.Module):
    """Multiply maps by a disc; what lies outside becomes 0, the mean of normalised images.

    Corners would give the orientation away, and a rotation has to invent them.
    """

    disc: torch.Tensor

    def __init__(self, size: int, kind: str = "soft"):
        """Draw the disc.

        Args:
            size: side of the maps in px.
            kind: a name in `MASKS`.

        Raises:
            InputError: no such mask.
        """
        super().__init__()
        disc = choose(MASKS, "network.mask", kind)(size)
        self.register_buffer("disc", disc, persistent=False)

    def forward(self, maps: torch.Tensor) -> torch.Tensor:
        """Map (B, C, size, size) to the same shape, in the precision of the network."""
        return (maps * self.disc).to(self.disc.dtype)


def _per_channel(value: float | Sequence[float]) -> float | nn.Buffer:
    """Return what broadcasts over (B, C, H, W).

    A single number stays a number: on a GPU, division by a tensor differs in the last bit.
    """
    if isinstance(value, Sequence):
        return nn.Buffer(torch.tensor(value)[:, None, None], persistent=False)
    return value


def classifier(features: int, classes: int) -> nn.Sequential:
    """Return S1's head: two hidden layers with batch norm and ELU, then the logits."""
    layers: list[nn.Module] = []
    for width in HEAD_WIDTHS:
        layers += [nn.Linear(features, width), nn.BatchNorm1d(width), nn.ELU()]
        features = width
    return nn.Sequential(*layers, nn.Linear(features, classes))
