"""Orbit averaging: any network made invariant at test time by a mean over a group."""

import math
from collections.abc import Callable, Iterator

import numpy as np
import torch
from torch import nn
from torch.nn.functional import affine_grid, grid_sample

from equimorph.groups.names import Group
from equimorph.models.initialisation import initialise


class OrbitAverage(nn.Module):
    """A network whose logits, in eval mode, are the mean over the group's copies of each image.

    The mean of the logits, not of the probabilities, is the projection of the network onto
    invariant functions: what is invariant already passes unchanged, and the result stays logits on
    the same scale, linear in the network's. As with probabilities, its cross-entropy is at most the
    mean over the copies, because the cross-entropy is convex in the logits. In train mode the
    network runs as it is.
    """

    def __init__(self, network: nn.Module, group: Group):
        """Wrap a network.

        Args:
            network: maps (B, 3, S, S) pixel values to (B, classes) logits and masks the corners,
                which rotations by other than multiples of 90 degrees have to invent.
            group: the group whose elements are applied to the images.
        """
        super().__init__()
        self.network = network
        self.group = group

    def initialise(self, generator: torch.Generator) -> None:
        """Draw every weight of the wrapped network."""
        initialise(self.network, generator)

    @property
    def measure(self) -> Callable[[np.ndarray], torch.Tensor] | None:
        """What the wrapped network takes beside its images; see `inputs.measured`."""
        return getattr(self.network, "measure", None)

    def forward(self, images: torch.Tensor, *measured: torch.Tensor) -> torch.Tensor:
        """Map (B, 3, S, S) pixel values to (B, classes) logits, one element's copies at a time.

        What is measured beside the images is that of the images as they are, for all copies.
        """
        if self.training:
            return self.network(images, *measured)
        copies = orbit(images, self.group)
        return sum(self.network(copy, *measured) for copy in copies) / self.group.order


def orbit(images: torch.Tensor, group: Group) -> Iterator[torch.Tensor]:
    """Yield the images transformed by each element of the group.

    Multiples of 90 degrees and reflections only move pixels. For other angles images are resampled
    once, at the angle less its multiple of 90 degrees, so that the orbits of an image and of its
    rotated copy agree to rounding.

    Args:
        images: (B, C, S, S), of any type.
        group: rotations by multiples of 360 / N degrees, reflections if it has them.
    """
    for element in range(group.rotations):
        quarters, remainder = divmod(4 * element, group.rotations)
        rotated = images
        if remainder:
            rotated = rotate(images, 90 * remainder / group.rotations)
        rotated = rotated.rot90(quarters, (2, 3))
        yield rotated
        if group.reflections:
            yield rotated.flip(3)


def rotate(images: torch.Tensor, angle: float) -> torch.Tensor:
    """Rotate images about their centre, (S - 1) / 2, by bilinear resampling.

    Args:
        images: (B, C, S, S), of any type.
        angle: angle in degrees, anticlockwise as displayed with row 0 on top, like `rot90`.

    Returns:
        (B, C, S, S) floats; what the frame does not cover, all outside the inscribed circle, is
        mirrored at its edge.
    """
    cosine, sine = math.cos(math.radians(angle)), math.sin(math.radians(angle))
    images = images if images.is_floating_point() else images.float()
    matrix = images.new_tensor([[cosine, -sine, 0], [sine, cosine, 0]])
    grid = affine_grid(matrix.expand(len(images), 2, 3), list(images.shape), align_corners=False)
    return grid_sample(
        images, grid, mode="bilinear", padding_mode="reflection", align_corners=False
    )
