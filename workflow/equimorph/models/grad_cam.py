"""Which parts of an image speak for a class: Grad-CAM (Selvaraju et al. 2017, arXiv:1610.02391).

For every architecture: the maps that are weighed are the last ones of the network that the logits
depend on, found by running it; tokens of a transformer count as the map of their patches.
"""

import math
from collections.abc import Sequence

import torch
from torch import nn
from torch.nn.functional import interpolate

from equimorph.errors import InputError
from equimorph.models.export import export
from equimorph.models.orbit import OrbitAverage, turned


def grad_cam(
    network: nn.Module, labels: torch.Tensor, images: torch.Tensor, *beside: torch.Tensor
) -> torch.Tensor:
    """Return where each image speaks for its class, from 0 to 1 within each image.

    A map is the sum over channels of the last feature maps, each weighed by the mean over space of
    the logit's gradient; what is negative is 0. It is enlarged bilinearly to the image's size and
    divided by its largest value. Where nothing speaks for the class, it is 0 throughout.

    Feature maps of an equivariant network turn with the image, and its group's action permutes the
    channels and their weights alike; so for an invariant network the map of a turned image is the
    turned map, for any layer.

    Args:
        network: any network of this project, in any mode.
        labels: (B,) the class of each image that is asked about.
        images: (B, 3, S, S) pixel values.
        beside: what the network takes beside the images.

    Returns:
        (B, S, S) float64.

    Raises:
        InputError: the network has neither feature maps nor tokens of patches.
    """
    # In double precision, where a map's maximum does not decide how large rounding is.
    plain = export(network).eval().requires_grad_(False).double()
    low = _maps(plain, labels, images.double(), [each.double() for each in beside])
    high = interpolate(low[:, None], images.shape[-2:], mode="bilinear")[:, 0]
    return high / high.amax((1, 2), keepdim=True).clamp_min(torch.finfo(high.dtype).tiny)


def _maps(
    network: nn.Module, labels: torch.Tensor, images: torch.Tensor, beside: Sequence[torch.Tensor]
) -> torch.Tensor:
    """Return the maps (B, h, w) at the resolution of the features, as they are weighed."""
    if not isinstance(network, OrbitAverage):
        return weighed(*features_and_gradients(network, labels, images, beside))
    # The logits are means over copies of the image: so are the maps, each turned back.
    group, maps = network.group, []
    for element in range(group.rotations):
        angle = 360 * element / group.rotations
        copy = turned(images, angle)
        for reflected in (False, True)[: 1 + group.reflections]:
            own = copy.flip(3) if reflected else copy
            found = _maps(network.network, labels, own, beside)[:, None]
            maps.append(turned(found.flip(3) if reflected else found, -angle)[:, 0])
    return torch.stack(maps).mean(0)


def weighed(features: torch.Tensor, gradients: torch.Tensor) -> torch.Tensor:
    """Return the maps (B, h, w): features (B, C, h, w) weighed by the means of their gradients."""
    weights = gradients.mean(dim=(2, 3), keepdim=True)
    return (weights * features).sum(dim=1).relu()


def features_and_gradients(
    network: nn.Module, labels: torch.Tensor, images: torch.Tensor, beside: Sequence[torch.Tensor]
) -> tuple[torch.Tensor, torch.Tensor]:
    """Return the last maps (B, C, h, w) that the logits depend on, and the logits' gradients there.

    Args:
        network: of plain torch modules, in evaluation mode, whose weights need no gradient.
        labels: (B,) the logit of each image.
        images: (B, 3, S, S) floats.
        beside: what the network takes beside them.

    Raises:
        InputError: there are none.
    """
    found: list[torch.Tensor] = []

    def keep(module: nn.Module, given: object, output: torch.Tensor) -> torch.Tensor | None:
        maps = isinstance(output, torch.Tensor) and output.requires_grad and output.dim() == 4
        tokens = isinstance(module, nn.LayerNorm) and output.dim() == 3 and output.shape[1] > 1
        if not tokens and not (maps and output.shape[2] == output.shape[3] > 1):
            return None
        found.append(output)
        return output.clone()  # what follows may overwrite it

    hooks = [module.register_forward_hook(keep) for module in network.modules()]
    try:
        with torch.enable_grad():
            logits = network(images.clone().requires_grad_(), *beside)
            chosen = logits.gather(1, labels[:, None]).sum()
            gradients = torch.autograd.grad(chosen, found, allow_unused=True) if found else ()
    finally:
        for hook in hooks:
            hook.remove()
    for features, gradient in reversed(list(zip(found, gradients, strict=True))):
        if gradient is None:
            continue
        features, gradient = _as_map(features.detach()), _as_map(gradient)
        # The last norm of a transformer sees all tokens, but only the class's goes on.
        if gradient.any():
            return features, gradient
    raise InputError("the network has no feature maps that its logits depend on.")


def _as_map(features: torch.Tensor) -> torch.Tensor:
    """Return tokens as the map (B, C, h, h) of their patches; maps as they are.

    Args:
        features: maps, or tokens (B, h^2, C), or (B, 1 + h^2, C) with that of the class first.

    Raises:
        InputError: there is no such h.
    """
    if features.dim() == 4:
        return features
    tokens = features.shape[1]
    side = math.isqrt(tokens)
    if tokens - side**2 not in (0, 1):
        raise InputError(
            f"the network has {tokens} tokens; allowed are those of a square of patches, with or "
            "without one for the class before them."
        )
    return features[:, tokens - side**2 :].mT.unflatten(2, (side, side))
