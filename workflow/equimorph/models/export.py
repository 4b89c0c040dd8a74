"""Turn a trained network into plain torch modules, which run without escnn.

escnn is imported only while a network is exported; the exported network can be loaded without it.
"""

import copy
from typing import Any

import torch
from torch import fx, nn

from equimorph.errors import InputError
from equimorph.models.orbit import OrbitAverage


def export(network: nn.Module) -> nn.Module:
    """Return a network of plain torch modules with the same logits, for evaluation.

    A forward pass is recorded step by step. In the record, each module of escnn is replaced by the
    plain module that it exports, under the same name; other modules, such as the classifier, are
    copied.

    Args:
        network: any network of this project; it stays as it is and shares no weights with the
            result.

    Raises:
        InputError: a module of escnn has no plain form; the message names it.
    """
    if isinstance(network, OrbitAverage):
        return OrbitAverage(export(network.network), network.group).eval()
    was_training = network.training
    network.eval()
    try:
        recorder = _Recorder()
        if not recorder.has_fields(network):
            return copy.deepcopy(network)
        return recorder.record(network)
    finally:
        network.train(was_training)


class GroupMax(nn.Module):
    """Pooling over the group: the largest channel of each field."""

    channels: torch.Tensor

    def __init__(self, sizes: list[int]):
        """Find each field's channels.

        Args:
            sizes: number of channels of each field.
        """
        super().__init__()
        starts = torch.tensor([0, *sizes]).cumsum(0)[:-1]
        entries = torch.arange(max(sizes)).minimum(torch.tensor(sizes)[:, None] - 1)
        self.register_buffer("channels", starts[:, None] + entries)

    def forward(self, maps: torch.Tensor) -> torch.Tensor:
        """Map (B, channels, H, W) to (B, fields, H, W)."""
        return maps[:, self.channels].amax(2)


class SampledELU(nn.Module):
    """ELU of functions on the group, which are given by Fourier coefficients."""

    sampling: torch.Tensor
    analysis: torch.Tensor

    def __init__(self, sampling: torch.Tensor, analysis: torch.Tensor):
        """Keep both maps.

        Args:
            sampling: (samples, coefficients) from coefficients to values.
            analysis: (coefficients, samples) from values to coefficients.
        """
        super().__init__()
        self.register_buffer("sampling", sampling)
        self.register_buffer("analysis", analysis)

    def forward(self, maps: torch.Tensor) -> torch.Tensor:
        """Map (B, fields * coefficients, H, W) to the same shape."""
        fields = maps.unflatten(1, (-1, self.sampling.shape[1]))
        samples = torch.einsum("bcf...,gf->bcg...", fields, self.sampling)
        samples = nn.functional.elu(samples)
        return torch.einsum("bcg...,fg->bcf...", samples, self.analysis).flatten(1, 2)


class _Recorder(fx.Tracer):
    """Records a forward pass; escnn's fields count as plain tensors."""

    def __init__(self) -> None:
        from equimorph.groups.escnn import enn
        from equimorph.steerable.blurred_pool import BlurredPool
        from equimorph.steerable.group_pool import GroupPool

        # Calls of escnn's classes become steps of the record, so their originals are kept here.
        super().__init__(autowrap_modules=(enn,))
        self.steerable = enn.EquivariantModule
        self.field_tensor, self.field_type = enn.GeometricTensor, enn.FieldType
        self.sequence = enn.SequentialModule
        # Modules that escnn cannot export, or exports to a class of its own.
        self.plain_forms = {
            enn.PointwiseAvgPoolAntialiased: _blur,
            BlurredPool: _blur,
            enn.GroupPooling: _group_max,
            GroupPool: _group_max,
            enn.FourierELU: lambda elu: SampledELU(elu.A, elu.Ainv),
            enn.FieldDropout: lambda dropout: nn.Identity(),
        }

    def record(self, network: nn.Module) -> fx.GraphModule:
        """Return the record of `network`, which is in evaluation mode, on plain modules."""
        # A copy: a graph remembers its tracer, and unpickling would need escnn again.
        graph = fx.Graph()
        graph.output(graph.graph_copy(self.trace(network), {}))
        parts: dict[str, Any] = {}
        for node in list(graph.nodes):
            if node.op == "call_module":
                parts[node.target] = self.plain(network.get_submodule(node.target), node.target)
            elif node.op == "get_attr":
                owner, _, name = node.target.rpartition(".")
                parts[node.target] = copy.deepcopy(getattr(network.get_submodule(owner), name))
            elif self.wraps_or_unwraps(node):
                node.replace_all_uses_with(node.args[0])
        exported = fx.GraphModule(parts, graph, type(network).__name__)
        exported.measure = getattr(network, "measure", None)  # type: ignore[assignment]
        exported.graph.eliminate_dead_code()
        exported.recompile()
        return exported.eval()

    def plain(self, module: nn.Module, name: str) -> nn.Module:
        """Return the plain form of a module.

        Raises:
            InputError: it has none.
        """
        if not self.has_fields(module):
            return copy.deepcopy(module)
        if isinstance(module, self.sequence):
            children = module.named_children()
            return nn.Sequential(*(self.plain(child, f"{name}.{key}") for key, child in children))
        try:
            form = self.plain_forms.get(type(module), lambda module: module.export())
            # escnn's exported convolution shares its filter with the original.
            return copy.deepcopy(form(module))
        except NotImplementedError as error:
            raise InputError(
                f"{name}: {type(module).__name__} has no plain form, so the network cannot be "
                "exported; allowed are escnn's modules that can export themselves and "
                f"{', '.join(kind.__name__ for kind in self.plain_forms)}."
            ) from error

    def call_module(self, module: nn.Module, forward: Any, args: tuple, kwargs: dict) -> Any:
        """Record a module as one step, or go into it if there are fields inside."""
        inputs = [argument.node for argument in args if isinstance(argument, fx.Proxy)]
        takes_fields = any(self.carries_fields(node) for node in inputs)
        if isinstance(module, self.steerable) or not (takes_fields or self.has_fields(module)):
            return self.create_proxy("call_module", self.path_of_module(module), args, kwargs)
        return forward(*args, **kwargs)

    def create_arg(self, argument: Any) -> Any:
        """Record an argument; a field's type has no meaning outside escnn."""
        return None if isinstance(argument, self.field_type) else super().create_arg(argument)

    def has_fields(self, module: nn.Module) -> bool:
        """Tell whether any part of a module is escnn's."""
        return any(isinstance(part, self.steerable) for part in module.modules())

    def carries_fields(self, node: fx.Node) -> bool:
        """Tell whether the result of a step is a tensor of escnn."""
        if node.op == "call_module":
            return isinstance(self.root.get_submodule(str(node.target)), self.steerable)
        if node.op != "call_function" or node.target is getattr:
            return False
        inputs = node.all_input_nodes
        return node.target is self.field_tensor or any(map(self.carries_fields, inputs))

    def wraps_or_unwraps(self, node: fx.Node) -> bool:
        """Tell whether a step only makes a tensor one of escnn's, or takes it out again."""
        if node.op != "call_function":
            return False
        unwraps = node.target is getattr and bool(node.args[1] == "tensor")
        return node.target is self.field_tensor or unwraps


def _group_max(pool: Any) -> GroupMax:
    """Return pooling over the group as an index and a maximum."""
    return GroupMax([field.size for field in pool.in_type])


def _blur(pool: Any) -> nn.Conv2d:
    """Return escnn's blurred pooling as a depthwise convolution."""
    channels = len(pool.filter)
    conv = nn.Conv2d(
        channels, channels, pool.kernel_size, pool.stride, pool.padding, groups=channels, bias=False
    )
    conv.weight = nn.Parameter(pool.filter, requires_grad=False)
    return conv
