"""Logits of images that differ from known ones in a single pixel.

A pixel changes a few entries of the first feature maps; all others are those of the image as it
was. So the first layers are computed on a window about the pixel alone, and the rest of the network
on whole maps, from where the window is no longer much smaller than they are. The function is the
same, up to rounding: at 255 px S1's plain network needs a sixth of its multiply-adds.
"""

import copy
from collections.abc import Sequence
from typing import Any

import torch
from torch import nn

# Each output depends on its own input alone, in evaluation.
_POINTWISE = (nn.BatchNorm2d, nn.ReLU, nn.ELU, nn.GELU, nn.Identity, nn.Dropout, nn.Dropout2d)
# Largest ratio of the sides of a window and a map for which windows are worth gathering.
_WORTH = 0.7


class LocalChange:
    """A network and images that it knows, of which single pixels change.

    The network's layers are `normalise`, `mask` and the sequence `blocks`, as this project's are;
    any other is computed as a whole.
    """

    def __init__(self, network: Any, images: torch.Tensor, beside: Sequence[torch.Tensor]):
        """Compute the feature maps of the images as they are.

        Args:
            network: a module of plain torch modules, in evaluation mode.
            images: (V, 3, S, S) float pixel values, where the network is.
            beside: what the network takes beside them, each (V, k).
        """
        self.images, self.beside = images, beside
        self.layers: list[nn.Module] = []
        self.maps: list[torch.Tensor] = []
        blocks = getattr(network, "blocks", None)
        if not isinstance(blocks, nn.Sequential) or not _begins_with_pixels(blocks):
            self.rest = network
            return
        self.normalise, self.disc = network.normalise, network.mask.disc
        maps = network.mask(network.normalise(images))
        side = 1
        for layer in blocks:
            if not isinstance(layer, _POINTWISE):
                if not _slides(layer):
                    break
                kernel, stride, _ = _geometry(layer)
                side = (side + kernel - 2) // stride + 1
                if (side - 1) * stride + kernel > _WORTH * maps.shape[-1]:
                    break
            self.layers.append(layer)
            self.maps.append(maps.permute(0, 2, 3, 1).contiguous())
            maps = layer(maps.clone())  # some work in place
        self.maps.append(maps.permute(0, 2, 3, 1).contiguous())
        self.rest = copy.copy(network)
        self.rest._modules = dict(network._modules)
        self.rest.normalise = self.rest.mask = nn.Identity()
        self.rest.blocks = blocks[len(self.layers) :]

    def logits(
        self, rows: torch.Tensor, pixels: torch.Tensor, colours: torch.Tensor
    ) -> torch.Tensor:
        """Return the (B, classes) logits of images with one pixel changed each.

        Args:
            rows: (B,) which image.
            pixels: (B, 2) row and column.
            colours: (B, 3) pixel values.
        """
        beside = [each[rows] for each in self.beside]
        if not self.layers:
            changed = self.images[rows]
            each = torch.arange(len(rows), device=rows.device)
            changed[each, :, pixels[:, 0], pixels[:, 1]] = colours
            return self.rest(changed, *beside)
        weight = self.disc[pixels[:, 0], pixels[:, 1]]
        window = self.normalise(colours[:, :, None, None]) * weight[:, None, None, None]
        corner = pixels
        for number, layer in enumerate(self.layers):
            if isinstance(layer, _POINTWISE):
                window = layer(window)
                continue
            kernel, stride, padding = _geometry(layer)
            side = (window.shape[-1] + kernel - 2) // stride + 1
            # The first output that sees the window: the least o with o s - p + k - 1 >= corner.
            outputs = -((kernel - 1 - padding - corner) // stride)
            start = outputs * stride - padding
            beyond = float("-inf") if isinstance(layer, nn.MaxPool2d) else 0.0
            length = (side - 1) * stride + kernel
            patch = self._patch(number, rows, window, corner, start, length, beyond)
            window, corner = _without_padding(layer, patch), outputs
        last = len(self.layers)
        start = torch.zeros_like(corner)
        size = self.maps[last].shape[1]
        return self.rest(self._patch(last, rows, window, corner, start, size, 0.0), *beside)

    def _patch(
        self,
        number: int,
        rows: torch.Tensor,
        window: torch.Tensor,
        corner: torch.Tensor,
        start: torch.Tensor,
        length: int,
        beyond: float,
    ) -> torch.Tensor:
        """Return (B, C, length, length) of a layer's input: changed in the window, else as it was.

        Args:
            number: of the layer.
            rows: (B,) which image.
            window: (B, C, w, w) what has changed.
            corner: (B, 2) its first row and column on the map; it may reach out of it.
            start: (B, 2) those of the result.
            length: side of the result.
            beyond: what lies outside of the map.
        """
        maps, side = self.maps[number], window.shape[-1]
        place = start[..., None] + torch.arange(length, device=rows.device)  # (B, 2, length)
        on_map = place.clamp(0, maps.shape[1] - 1)
        known = maps[rows[:, None, None], on_map[:, 0, :, None], on_map[:, 1, None, :]]
        inner = place - corner[..., None]
        clamped = inner.clamp(0, side - 1)
        each = torch.arange(len(rows), device=rows.device)[:, None, None]
        changed = window.permute(0, 2, 3, 1)[each, clamped[:, 0, :, None], clamped[:, 1, None, :]]
        covered = _both((inner >= 0) & (inner < side))
        outside = ~_both((place >= 0) & (place < maps.shape[1]))
        patch = torch.where(covered, changed, known).masked_fill(outside, beyond)
        return patch.permute(0, 3, 1, 2)


def _both(inside: torch.Tensor) -> torch.Tensor:
    """Return (B, length, length, 1) where both the row and the column, (B, 2, length), are."""
    return (inside[:, 0, :, None] & inside[:, 1, None, :])[..., None]


def _begins_with_pixels(blocks: nn.Sequential) -> bool:
    """Tell whether the first layer takes the image's channels: no stem lies before it."""
    return len(blocks) > 0 and isinstance(blocks[0], nn.Conv2d) and blocks[0].in_channels == 3


def _slides(layer: nn.Module) -> bool:
    """Tell whether a layer is a window that slides over its input, with zeros beyond it."""
    if isinstance(layer, nn.Conv2d):
        plain = layer.padding_mode == "zeros" and not isinstance(layer.padding, str)
        return plain and layer.dilation == (1, 1)
    return isinstance(layer, nn.MaxPool2d) and layer.dilation == 1 and not layer.ceil_mode


def _geometry(layer: Any) -> tuple[int, int, int]:
    """Return side, stride and padding of a sliding window, which is square in this project."""
    kernel, stride, padding = layer.kernel_size, layer.stride, layer.padding
    first = (each[0] if isinstance(each, tuple) else each for each in (kernel, stride, padding))
    one, two, three = (int(each) for each in first)
    return one, two, three


def _without_padding(layer: nn.Module, patch: torch.Tensor) -> torch.Tensor:
    """Apply a sliding layer to a patch that holds its padding already."""
    if isinstance(layer, nn.Conv2d):
        return nn.functional.conv2d(
            patch, layer.weight, layer.bias, layer.stride, groups=layer.groups
        )
    kernel, stride, _ = _geometry(layer)
    return nn.functional.max_pool2d(patch, kernel, stride)
