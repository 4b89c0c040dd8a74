"""What a network sees inside: the mean over channels of its first, middle and last convolutions."""

from collections.abc import Sequence

import torch
from torch import nn

from equimorph.models.export import export

PLACES = ("first", "middle", "last")
TURNS = (0, 90, 180, 270)  # degrees


def feature_maps(
    network: nn.Module, image: torch.Tensor, beside: Sequence[torch.Tensor] = ()
) -> dict[str, torch.Tensor]:
    """Return the mean map over channels of three convolutions, for each quarter turn of an image.

    The group's action permutes the channels of an equivariant network, which leaves their mean: its
    maps turn with the image.

    Args:
        network: any network with two-dimensional convolutions; others give no maps.
        image: (3, S, S) pixel values.
        beside: what the network takes beside the image, each (1, k).

    Returns:
        By name in `PLACES`, maps (4, h, h) of the turns in `TURNS`, anticlockwise.
    """
    plain = export(network).eval()
    copies = torch.stack([image.float().rot90(quarter, (1, 2)) for quarter in range(len(TURNS))])
    found: list[torch.Tensor] = []

    def keep(module: nn.Module, given: object, output: torch.Tensor) -> None:
        found.append(output.mean(dim=1))

    # Blurs, which are convolutions of each channel by itself, learn nothing.
    hooks = [
        module.register_forward_hook(keep)
        for module in plain.modules()
        if isinstance(module, nn.Conv2d) and module.groups == 1
    ]
    try:
        with torch.inference_mode():
            plain(copies, *(each.expand(len(copies), -1) for each in beside))
    finally:
        for hook in hooks:
            hook.remove()
    if not found:
        return {}
    chosen = (found[0], found[len(found) // 2], found[-1])
    return dict(zip(PLACES, chosen, strict=True))
