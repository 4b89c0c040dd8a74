"""Batch norm of fields."""

from equimorph.groups.escnn import enn


class InnerBatchNorm(enn.InnerBatchNorm):
    """escnn's InnerBatchNorm, for no images, too."""

    def forward(self, fields: enn.GeometricTensor) -> enn.GeometricTensor:
        """Normalise (B, C, H, W); with a B of 0 there is nothing to do."""
        return super().forward(fields) if len(fields.tensor) else fields
