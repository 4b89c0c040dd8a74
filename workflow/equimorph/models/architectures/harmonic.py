"""S1's trunk (arXiv:2311.01500) for the continuous groups SO(2) and O(2), on band-limited fields.

S1 began this network and never completed it. A field holds the Fourier coefficients of a function
on the group (its spectral regular representation); a nonlinearity samples that function.
"""

from typing import Any

import torch
from torch import nn
from torch.nn.functional import pad

from equimorph.groups.escnn import enn, gspaces
from equimorph.models.fields import trivial_fields
from equimorph.models.head import CircularMask, Normalise, classifier
from equimorph.models.limits import check_band
from equimorph.models.trunk import Trunk, base_trunk, exact_sizes
from equimorph.steerable.batch_norm import InnerBatchNorm
from equimorph.steerable.blurred_pool import BlurredPool
from equimorph.steerable.convolution import SteerableConv


def build(arguments: dict[str, Any], classes: int) -> nn.Module:
    """Build the network from a specification's arguments."""
    own = {key: arguments[key] for key in ("group", "band_limit", "samples", "input_size")}
    return HarmonicGCNN(trunk=base_trunk(arguments), classes=classes, **own)


class FieldBatchNorm(nn.Module):
    """Batch norm for fields whose first entry alone is invariant: IID batch norm.

    The mean is that of the invariant entry, since over all orientations the others average to 0;
    the variance is shared by all entries of a field. As escnn's IIDBatchNorm2d, but gradients flow
    through the statistics, which keep torch's names and so are stored with the learned state.
    """

    running_mean: torch.Tensor
    running_var: torch.Tensor

    def __init__(self, field_type: enn.FieldType, eps: float = 1e-5, momentum: float = 0.1):
        """Begin with mean 0, variance 1, scale 1 and shift 0.

        Args:
            field_type: equal fields, the first entry of each invariant.
            eps: added to the variance.
            momentum: share of the newest batch in the running statistics.
        """
        super().__init__()
        self.fields = len(field_type)
        self.eps = eps
        self.momentum = momentum
        self.weight = nn.Parameter(torch.ones(self.fields))
        self.bias = nn.Parameter(torch.zeros(self.fields))
        self.register_buffer("running_mean", torch.zeros(self.fields))
        self.register_buffer("running_var", torch.ones(self.fields))

    def forward(self, fields: enn.GeometricTensor) -> enn.GeometricTensor:
        """Normalise (B, fields * entries, H, W)."""
        # Half precision has too few digits for the statistics.
        entries = fields.tensor.unflatten(1, (self.fields, -1)).float()
        size = entries.shape[2]
        if self.training:
            mean = entries[:, :, 0].mean(dim=(0, 2, 3))
            centred = entries - _on_invariant_entry(mean, size)
            variance = centred.square().mean(dim=(0, 2, 3, 4))
            self._follow(mean, variance)
        else:
            mean, variance = self.running_mean, self.running_var
        scale = self.weight * (variance + self.eps).rsqrt()
        shift = self.bias - mean * scale
        normal = entries * scale[:, None, None, None] + _on_invariant_entry(shift, size)
        return enn.GeometricTensor(normal.flatten(1, 2).to(fields.tensor.dtype), fields.type)

    @torch.no_grad()
    def _follow(self, mean: torch.Tensor, variance: torch.Tensor) -> None:
        self.running_mean.lerp_(mean, self.momentum)
        self.running_var.lerp_(variance, self.momentum)


def _on_invariant_entry(values: torch.Tensor, size: int) -> torch.Tensor:
    """Spread one value per field to (fields, size, 1, 1), 0 on all entries but the first."""
    return pad(values[:, None], (0, size - 1))[:, :, None, None]


class HarmonicGCNN(nn.Module):
    """Steerable blocks on band-limited fields, invariant map, pooling over space, classifier.

    The convolutions are equivariant under every rotation, as far as a pixel grid allows; the
    nonlinearity under rotations by multiples of 360 / `samples` degrees. The logits do not change
    under rotations by 90 degrees and, for O2, reflections, under which both are exact.
    """

    def __init__(
        self,
        group: str,
        trunk: Trunk,
        band_limit: int,
        samples: int,
        input_size: int,
        classes: int,
    ):
        """Build the network with its convolutions' weights at zero.

        Args:
            group: `SO2` (rotations) or `O2` (rotations and reflections).
            trunk: fields per block, pools, kernel sizes, stride of the first block.
            band_limit: highest frequency of a field; a field has 1 + 2 `band_limit` entries for
                SO2 and twice as many for O2.
            samples: rotations at which the ELU samples a field; O2 adds as many reflections.
            input_size: side of the images in px.
            classes: number of logits.

        Raises:
            InputError: `group` is neither; `samples` cannot hold the band or would break rotations
                by 90 degrees; or the input size does.
        """
        super().__init__()
        check_band(group, samples, band_limit)
        space = continuous_plane(group)
        sizes = exact_sizes(trunk, input_size)
        irreps = space.fibergroup.bl_irreps(band_limit)
        field_type = trivial_fields(space, 3)
        self.input_type = field_type
        self.normalise, self.mask = Normalise(), CircularMask(input_size)
        blocks: list[nn.Module] = []
        for block, fields in enumerate(trunk.fields, start=1):
            elu = enn.FourierELU(space, fields, irreps, samples)
            stride = trunk.stem_stride if block == 1 else 1
            kernel_size = trunk.kernel(block)
            padding = sizes.stem_padding if block == 1 else kernel_size // 2
            blocks += [
                SteerableConv(field_type, elu.in_type, kernel_size, stride, padding),
                FieldBatchNorm(elu.in_type),
                elu,
            ]
            if block in trunk.pool_after:
                blocks.append(BlurredPool(elu.out_type))
            field_type = elu.out_type
        self.blocks = nn.Sequential(*blocks)
        features = trunk.fields[-1]
        invariant_type = trivial_fields(space, features)
        # Without a nonlinearity after it, it would merge with the classifier's first linear layer.
        self.invariant_map = nn.Sequential(
            SteerableConv(field_type, invariant_type, 1, 1, 0),
            InnerBatchNorm(invariant_type),
            enn.ELU(invariant_type, inplace=True),
        )
        self.classifier = classifier(features, classes)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Map (B, 3, size, size) pixel values 0-255 to (B, classes) logits."""
        fields = enn.GeometricTensor(self.mask(self.normalise(images)), self.input_type)
        maps = self.invariant_map(self.blocks(fields)).tensor
        return self.classifier(maps.mean(dim=(2, 3)))


def continuous_plane(group: str) -> gspaces.GSpace2D:
    """Return escnn's space for `SO2` or `O2` acting on the plane."""
    return gspaces.flipRot2dOnR2(-1) if group == "O2" else gspaces.rot2dOnR2(-1)
