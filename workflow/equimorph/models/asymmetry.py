"""The asymmetry index of galaxies under a rotation by 180 degrees (Conselice 1997, rms form)."""

import torch
from torch import nn

from equimorph.models.head import circular_mask

# The rim, whose pixels show the sky, as the share of the side that lies outside its inner edge.
RIM_MARGIN = 0.08
# Sky noise is measured on the smallest squared differences, so that a neighbour in the rim does not
# count; of a Gaussian this share of them has this share of the variance.
KEPT, KEPT_VARIANCE = 0.75, 0.36852


class Asymmetry(nn.Module):
    """Measure A^2 = sum (I - R)^2 / (2 sum I^2) per channel, R being I rotated by 180 degrees.

    The sums run over the disc that the networks see. The rotation is about (size - 1) / 2, an exact
    reversal of both axes, so rotations by 90 degrees and reflections of the image leave the index
    as it is. It lies between 0 and sqrt(2).

    With the background term, I is counted from the sky level, and what the sky's noise adds to the
    sum of squared differences is subtracted. Both come from the rim of the disc, which in a cut-out
    around a galaxy is mostly sky; the corners would do as well, but rotated images have none.
    Without it, the index of a Galaxy10 image says more about its sky (pixel values of about 32) and
    its noise than about the galaxy. Light beyond the sky's own noise, such as photon noise of the
    galaxy, is not corrected for, nor is the centre searched for: cut-outs are centred.
    """

    mask: torch.Tensor
    rim: torch.Tensor

    def __init__(self, size: int, background: bool = True):
        """Prepare the masks.

        Args:
            size: side of the images in px.
            background: whether to subtract sky level and sky noise.
        """
        super().__init__()
        mask = circular_mask(size)
        rim = (mask == 1) & (circular_mask(size, RIM_MARGIN) == 0)
        self.background = background
        self.register_buffer("mask", mask, persistent=False)
        self.register_buffer("rim", rim, persistent=False)

    @torch.no_grad()
    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Map (B, C, size, size) pixel values, of any type, to (B,) indices: means over channels.

        An image without light has index 0.
        """
        light = images.to(self.mask.dtype)
        difference = light - light.flip((2, 3))
        noise: float | torch.Tensor = 0.0
        if self.background:
            light = light - _level(light[..., self.rim])[..., None, None]
            noise = self._total(_variance(difference[..., self.rim])[..., None, None])
        asymmetric = (self._total(difference.square()) - noise).clamp_min(0) / 2
        # A difference of 1 in one pixel is less than any galaxy has.
        index = (asymmetric / self._total(light.square()).clamp_min(1)).sqrt()
        return index.mean(dim=1).to(self.mask.dtype)

    def _total(self, maps: torch.Tensor) -> torch.Tensor:
        """Sum over the disc in double precision: the root of a small difference is taken of it."""
        return (maps * self.mask).sum(dim=(2, 3), dtype=torch.float64)


def _level(values: torch.Tensor) -> torch.Tensor:
    """Mean of the middle half of the last axis: robust, and finer than whole numbers."""
    quarter = values.shape[-1] // 4
    middle = values.sort(dim=-1).values[..., quarter : values.shape[-1] - quarter]
    return middle.double().mean(dim=-1).to(values.dtype)


def _variance(differences: torch.Tensor) -> torch.Tensor:
    """Variance along the last axis of Gaussian differences with outliers; their mean is 0."""
    squares = differences.square().sort(dim=-1).values
    kept = squares[..., : int(KEPT * squares.shape[-1])]
    return (kept.double().mean(dim=-1) / KEPT_VARIANCE).to(differences.dtype)
