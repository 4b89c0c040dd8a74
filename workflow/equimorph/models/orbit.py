"""Means over copies of an image at test time: over a group's orbit, or over some turns."""

import math
from collections.abc import Callable, Iterator, Sequence

import numpy as np
import torch
from torch import nn
from torch.nn.functional import affine_grid, grid_sample

from equimorph.groups.names import Group
from equimorph.models.initialisation import initialise


class MeanOverCopies(nn.Module):
    """A network whose logits, in eval mode, are the mean over copies of each image.

    The mean of the logits, not of the probabilities: the result stays logits on the same scale,
    linear in the network's. As with probabilities, its cross-entropy is at most the mean over the
    copies, because the cross-entropy is convex in the logits. In train mode the network runs as it
    is.
    """

    def __init__(self, network: nn.Module):
        """Wrap a network.

        Args:
            network: maps (B, 3, S, S) pixel values to (B, classes) logits and masks the corners,
                which rotations by other than multiples of 90 degrees have to invent.
        """
        super().__init__()
        self.network = network

    def copies(self, images: torch.Tensor) -> Iterator[torch.Tensor]:
        """Yield the copies of images (B, C, S, S), of any type."""
        raise NotImplementedError

    def initialise(self, generator: torch.Generator) -> None:
        """Draw every weight of the wrapped network."""
        initialise(self.network, generator)

    @property
    def measure(self) -> Callable[[np.ndarray], torch.Tensor] | None:
        """What the wrapped network takes beside its images; see `inputs.measured`."""
        return getattr(self.network, "measure", None)

    def forward(self, images: torch.Tensor, *measured: torch.Tensor) -> torch.Tensor:
        """Map (B, 3, S, S) pixel values to (B, classes) logits, one kind of copies at a time.

        What is measured beside the images is that of the images as they are, for all copies.
        """
        if self.training:
            return self.network(images, *measured)
        logits = [self.network(copy, *measured) for copy in self.copies(images)]
        return sum(logits) / len(logits)


class OrbitAverage(MeanOverCopies):
    """A network whose logits, in eval mode, are the mean over the group's copies of each image.

    This is the projection of the network onto invariant functions: what is invariant already passes
    unchanged.
    """

    def __init__(self, network: nn.Module, group: Group):
        """Wrap a network.

        Args:
            network: see `MeanOverCopies`.
            group: the group whose elements are applied to the images.
        """
        super().__init__(network)
        self.group = group

    def copies(self, images: torch.Tensor) -> Iterator[torch.Tensor]:
        """Yield the images transformed by each element of the group."""
        return orbit(images, self.group)


class TurnAverage(MeanOverCopies):
    """A network whose logits, in eval mode, are the mean over turns of each image by given angles.

    A network of C4 sees nothing new in quarter turns, but does at 30 and 60 degrees, where the
    pixel grid breaks its symmetry.
    """

    def __init__(self, network: nn.Module, angles: Sequence[float]):
        """Wrap a network.

        Args:
            network: see `MeanOverCopies`.
            angles: angles in degrees, anticlockwise as displayed.
        """
        super().__init__(network)
        self.angles = tuple(angles)

    def copies(self, images: torch.Tensor) -> Iterator[torch.Tensor]:
        """Yield the images turned by each angle."""
        return (turned(images, angle) for angle in self.angles)


def turned(images: torch.Tensor, angle: float) -> torch.Tensor:
    """Rotate images about their centre: quarters only move pixels, the rest is resampled once.

    Args:
        images: (B, C, S, S), of any type.
        angle: angle in degrees, anticlockwise as displayed with row 0 on top, like `rot90`.
    """
    quarters, remainder = divmod(angle, 90)
    rotated = rotate(images, remainder) if remainder else images
    return rotated.rot90(int(quarters), (2, 3))


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
        rotated = turned(images, 360 * element / group.rotations)
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
