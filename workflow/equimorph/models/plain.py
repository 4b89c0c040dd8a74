"""A trained network as a short list of plain layers, which needs neither escnn nor its class.

Only networks without branches have such a list: those of S1 for every group, and the plain ones.
Whatever runs the list, torch here or JavaScript in a page, knows the kinds in `LAYERS` and no more.
"""

from collections.abc import Iterator, Mapping
from typing import Any

import torch
from torch import fx, nn
from torch.nn.functional import conv2d
from torch.nn.utils.fusion import fuse_conv_bn_weights

from equimorph.errors import InputError
from equimorph.groups.names import Group, parse_group
from equimorph.models.export import GroupMax, export
from equimorph.models.head import CircularMask, Normalise
from equimorph.models.kernel_symmetry import expand, moves, reduced
from equimorph.models.orbit import OrbitAverage

Layer = dict[str, Any]
Tensors = dict[str, torch.Tensor]
MOST_LAYERS = 512


class Blur(nn.Module):
    """A depthwise convolution with one filter for all channels."""

    weight: torch.Tensor

    def __init__(self, weight: torch.Tensor, stride: int, padding: int):
        """Keep the filter (k, k), the step and the border in px."""
        super().__init__()
        self.register_buffer("weight", weight)
        self.stride, self.padding = stride, padding

    def forward(self, maps: torch.Tensor) -> torch.Tensor:
        """Map (B, C, H, W) to (B, C, H', W')."""
        channels = maps.shape[1]
        weight = self.weight.expand(channels, 1, *self.weight.shape)
        return conv2d(maps, weight, None, self.stride, self.padding, groups=channels)


class Mask(nn.Module):
    """Multiply maps by a fixed image."""

    weight: torch.Tensor

    def __init__(self, weight: torch.Tensor):
        """Keep the image (H, W)."""
        super().__init__()
        self.register_buffer("weight", weight)

    def forward(self, maps: torch.Tensor) -> torch.Tensor:
        """Map (B, C, H, W) to the same shape."""
        return maps * self.weight


class FieldMax(nn.Module):
    """Pooling over the group, where all fields have the same size."""

    def __init__(self, size: int):
        """Keep the number of channels of a field."""
        super().__init__()
        self.size = size

    def forward(self, maps: torch.Tensor) -> torch.Tensor:
        """Map (B, fields * size, H, W) to (B, fields, H, W)."""
        return maps.unflatten(1, (-1, self.size)).amax(2)


class SpatialMean(nn.Module):
    """The mean over space."""

    def forward(self, maps: torch.Tensor) -> torch.Tensor:
        """Map (B, C, H, W) to (B, C)."""
        return maps.mean(dim=(2, 3))


class PlainNetwork(nn.Sequential):
    """A network that runs a list of layers, in evaluation mode.

    Attributes:
        measure: None; such networks take nothing beside the image.
    """

    measure = None


def plain_network(layers: list[Layer], tensors: Mapping[str, torch.Tensor]) -> nn.Module:
    """Build the network that `plain_layers` describes.

    Args:
        layers: kind and arguments of each layer, as read from JSON.
        tensors: weights by `<number of the layer>.<name>`.

    Raises:
        InputError: the list is no such list, or a weight is missing or does not fit.
    """
    if not (isinstance(layers, list) and 1 <= len(layers) <= MOST_LAYERS):
        raise InputError(f"layers: must be a list of 1 to {MOST_LAYERS} layers.")
    built: list[nn.Module] = []
    for number, layer in enumerate(layers):
        kind = layer.get("kind") if isinstance(layer, dict) else None
        if not isinstance(kind, str) or kind not in LAYERS:
            raise InputError(f"layer {number}: {kind!r} is not allowed; allowed are {[*LAYERS]}.")
        arguments = {key: value for key, value in layer.items() if key != "kind"}
        own = {
            name.removeprefix(f"{number}."): tensor
            for name, tensor in tensors.items()
            if name.startswith(f"{number}.")
        }
        try:
            built.append(LAYERS[kind](**arguments, **own))
        except Exception as error:  # torch and Python refuse wrong arguments in many ways
            raise InputError(f"layer {number} ({kind}): cannot be built ({error}).") from error
    return PlainNetwork(*built).eval()


def plain_layers(network: nn.Module, group: Group | None = None) -> tuple[list[Layer], Tensors]:
    """Return a network's layers and weights, as `plain_network` takes them.

    Batch norm is a part of the convolution or linear layer before it. Kernels with the symmetry of
    `group` are stored once per orbit.

    Args:
        network: any network of this project, of any mode; it stays as it is.
        group: the group whose regular fields the convolutions map, if there is one.

    Raises:
        InputError: the network has branches, or a layer without a plain form; the message names it.
    """
    if isinstance(network, OrbitAverage):
        raise InputError("the mean over an orbit has no list of layers; its network may have one.")
    layers: list[Layer] = []
    tensors: Tensors = {}
    parts = list(_straight(_traced(export(network).eval())))
    for number, (part, norm) in enumerate(_with_norms(parts)):
        described, own = _describe(part, norm, group)
        layers.append(described)
        tensors |= {f"{number}.{name}": tensor.contiguous() for name, tensor in own.items()}
    return layers, tensors


def last_maps(network: nn.Module) -> int:
    """Return how many layers come before the mean over space, 0 where there is none."""
    kinds = [isinstance(layer, SpatialMean) for layer in network.children()]
    return kinds.index(True) if True in kinds else 0


class _Tracer(fx.Tracer):
    """Records a forward pass; this project's own layers are steps of it."""

    def is_leaf_module(self, module: nn.Module, name: str) -> bool:
        """Tell whether a module is one step."""
        own = isinstance(module, Normalise | CircularMask | GroupMax)
        return own or super().is_leaf_module(module, name)


def _traced(network: nn.Module) -> fx.GraphModule:
    if isinstance(network, fx.GraphModule):
        return network
    try:
        return fx.GraphModule(network, _Tracer().trace(network))
    except Exception as error:  # of fx, where a forward pass depends on its input
        raise InputError(f"{type(network).__name__}: has no list of layers ({error}).") from error


def _straight(traced: fx.GraphModule) -> Iterator[nn.Module]:
    """Yield the modules of a record without branches, in order."""
    before = None
    for node in traced.graph.nodes:
        if node.op == "placeholder" and before is None:
            before = node
            continue
        if node.all_input_nodes != [before]:
            raise InputError(f"{node.name}: has other inputs than the layer before it.")
        before = node
        if node.op == "call_module":
            module = traced.get_submodule(str(node.target))
            yield from module.children() if isinstance(module, nn.Sequential) else [module]
        elif node.op == "call_method" and node.target == "mean":
            yield SpatialMean()
        elif node.op == "call_method" and node.target == "flatten":
            yield nn.Flatten()
        elif node.op != "output":
            raise InputError(f"{node.name}: {node.op} of {node.target} has no plain form.")


def _with_norms(parts: list[nn.Module]) -> Iterator[tuple[nn.Module, nn.Module | None]]:
    """Yield each layer with the batch norm that follows it, if one does."""
    norms, idle = nn.BatchNorm1d | nn.BatchNorm2d, nn.Dropout | nn.Dropout2d | nn.Identity
    parts = [part for part in parts if not isinstance(part, idle)]
    for number, part in enumerate(parts):
        if isinstance(part, norms):
            continue
        after = parts[number + 1] if number + 1 < len(parts) else None
        yield part, after if isinstance(after, norms) else None


def _describe(
    part: nn.Module, norm: nn.Module | None, group: Group | None
) -> tuple[Layer, Tensors]:
    """Return a layer's kind and arguments, and its weights."""
    if isinstance(part, nn.Conv2d | nn.Linear):
        return _weighted(part, norm, group)
    if norm is not None:
        raise InputError(f"{type(part).__name__}: batch norm behind it has no plain form.")
    if isinstance(part, Normalise):
        mean, scale = (
            value.flatten().tolist() if isinstance(value, torch.Tensor) else value
            for value in (part.mean, part.scale)
        )
        return {"kind": "normalise", "mean": mean, "scale": scale}, {}
    if isinstance(part, CircularMask):
        return {"kind": "mask"}, {"weight": part.disc}
    if isinstance(part, GroupMax):
        return {"kind": "group_max", "size": _equal_fields(part)}, {}
    if isinstance(part, nn.MaxPool2d) and (part.kernel_size, part.stride) == (2, 2):
        return {"kind": "max_pool"}, {}
    for kind, form in _PLAIN.items():
        if type(part) is form:
            return {"kind": kind}, {}
    raise InputError(f"{type(part).__name__}: has no plain form; allowed are {[*LAYERS]}.")


def _weighted(
    part: nn.Conv2d | nn.Linear, norm: nn.Module | None, group: Group | None
) -> tuple[Layer, Tensors]:
    weight = part.weight.detach()
    bias = torch.zeros(len(weight)) if part.bias is None else part.bias.detach()
    if isinstance(norm, nn.BatchNorm1d | nn.BatchNorm2d):
        mean, variance = norm.get_buffer("running_mean"), norm.get_buffer("running_var")
        fused = fuse_conv_bn_weights(weight, bias, mean, variance, norm.eps, norm.weight, norm.bias)
        weight, bias = (parameter.detach() for parameter in fused)
    if isinstance(part, nn.Linear):
        return {"kind": "linear"}, {"weight": weight, "bias": bias}
    stride, padding = part.stride[0], part.padding[0]
    square = part.stride == (stride, stride) and part.padding == (padding, padding)
    if not square or part.dilation != (1, 1):
        raise InputError(f"{part}: has no plain form; allowed is the same along both axes.")
    layer = {"stride": stride, "padding": padding}
    if part.groups == 1:
        stored = None if group is None else reduced(weight, moves(group))
        if group is None or stored is None:
            return {"kind": "conv", **layer}, {"weight": weight, "bias": bias}
        return {"kind": "conv", **layer, "group": group.name}, {"weight": stored, "bias": bias}
    if part.groups != len(weight) or bias.any() or not (weight == weight[:1]).all():
        raise InputError(f"{part}: has no plain form; allowed is one filter for all channels.")
    return {"kind": "blur", **layer}, {"weight": weight[0, 0]}


def _equal_fields(part: GroupMax) -> int:
    channels = part.channels
    size = channels.shape[1]
    if not torch.equal(channels.flatten(), torch.arange(channels.numel())):
        raise InputError("pooling over fields of different sizes has no plain form.")
    return size


def _conv(
    weight: torch.Tensor, bias: torch.Tensor, stride: int, padding: int, group: str | None = None
) -> nn.Conv2d:
    if group is not None:
        weight = expand(weight, moves(parse_group(group)))
    targets, sources, *kernel = weight.shape
    layer = nn.Conv2d(sources, targets, (kernel[0], kernel[1]), stride, padding)
    layer.load_state_dict({"weight": weight, "bias": bias})
    return layer


def _linear(weight: torch.Tensor, bias: torch.Tensor) -> nn.Linear:
    layer = nn.Linear(weight.shape[1], weight.shape[0])
    layer.load_state_dict({"weight": weight, "bias": bias})
    return layer


_PLAIN = {"relu": nn.ReLU, "elu": nn.ELU, "mean": SpatialMean, "flatten": nn.Flatten}

# What a list of layers may hold.
LAYERS: dict[str, Any] = {
    "normalise": lambda mean, scale: Normalise(mean, scale),
    "mask": Mask,
    "conv": _conv,
    "blur": Blur,
    "linear": _linear,
    "group_max": FieldMax,
    "max_pool": lambda: nn.MaxPool2d(2),
    **_PLAIN,
}
