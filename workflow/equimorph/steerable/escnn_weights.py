"""Convert weights between escnn's convolutions and ours, whose bases differ in signs.

escnn's basis of a steerable kernel is ours up to the sign of each element, so a weight changes its
sign where its element does, and nothing else differs. escnn's signs depend on the type of the CPU
(see `basis_cache`), but its state dicts hold the bases that their weights belong to.

    network.load_state_dict(from_escnn(escnns.state_dict(), network))
    escnns.load_state_dict(to_escnn(network.state_dict(), escnns.train()))
"""

from collections.abc import Iterator, Mapping

import torch
from torch import nn

from equimorph.groups.escnn import enn
from equimorph.steerable.basis_cache import canonical_signs

State = Mapping[str, torch.Tensor]
_EXPANDED = ("filter", "expanded_bias")  # follow from the weights


def from_escnn(state: State, network: nn.Module) -> dict[str, torch.Tensor]:
    """Return the state dict of our network with the weights of escnn's.

    Args:
        state: the whole state dict of escnn's network, with its bases.
        network: our network, whose modules have the same names; it is not changed.

    Returns:
        What `network.load_state_dict` takes.

    Raises:
        ValueError: `state` lacks something that the network has, or has it in another shape.
    """
    own = _without_filters(network)
    result = {name: _taken(state, name, tensor) for name, tensor in own.items()}
    for name, conv in _convolutions(network):
        bases = {
            pair: _taken(state, f"{name}._basisexpansion.{_block(conv, pair)}.sampled_basis", None)
            for pair in conv.basisexpansion._weights_ranges
        }
        result[f"{name}.weights"] = _with_flipped_signs(result[f"{name}.weights"], conv, bases)
    return result


def to_escnn(state: State, network: nn.Module) -> dict[str, torch.Tensor]:
    """Return the state dict of escnn's network with the weights of ours.

    Args:
        state: the state dict of our network, or its learned state.
        network: escnn's network, whose modules have the same names, in training mode: in evaluation
            mode it would keep the filters of its old weights.

    Returns:
        What `network.load_state_dict` takes.

    Raises:
        ValueError: the network is in evaluation mode, or `state` lacks a parameter of it or has it
            in another shape.
    """
    if any(not conv.training for _, conv in _convolutions(network)):
        raise ValueError("escnn's network must be in training mode: call network.train() first.")
    learned = {name for name, _ in network.named_parameters()} | set(state)
    result = {
        name: _taken(state, name, tensor) if name in learned else tensor
        for name, tensor in network.state_dict().items()
    }
    for name, conv in _convolutions(network):
        expansion = conv.basisexpansion
        bases = {
            pair: getattr(expansion, _block(conv, pair)).sampled_basis
            for pair in expansion._weights_ranges
        }
        result[f"{name}.weights"] = _with_flipped_signs(result[f"{name}.weights"], conv, bases)
    return result


def _with_flipped_signs(
    weights: torch.Tensor, conv: enn.R2Conv, bases: Mapping[tuple[str, str], torch.Tensor]
) -> torch.Tensor:
    """Return weights whose sign is flipped where escnn's element and ours have opposite signs."""
    result = weights.clone()
    for pair, (start, stop) in conv.basisexpansion._weights_ranges.items():
        signs = canonical_signs(bases[pair]).to(weights)
        result[start:stop] = (weights[start:stop].view(-1, len(signs)) * signs).flatten()
    return result


def _convolutions(network: nn.Module) -> Iterator[tuple[str, enn.R2Conv]]:
    for name, module in network.named_modules():
        if isinstance(module, enn.R2Conv):
            yield name, module


def _block(conv: enn.R2Conv, pair: tuple[str, str]) -> str:
    return f"block_expansion_{conv.basisexpansion._escape_pair(pair)}"


def _without_filters(network: nn.Module) -> dict[str, torch.Tensor]:
    filters = {f"{name}.{key}" for name, _ in _convolutions(network) for key in _EXPANDED}
    return {name: t for name, t in network.state_dict().items() if name not in filters}


def _taken(state: State, name: str, own: torch.Tensor | None) -> torch.Tensor:
    if name not in state:
        raise ValueError(
            f"the state has no {name}; needed is the state dict of a network whose modules have "
            "the same names."
        )
    if own is not None and state[name].shape != own.shape:
        raise ValueError(
            f"{name}: has shape {tuple(state[name].shape)}; the network needs {tuple(own.shape)}."
        )
    return state[name].detach()
