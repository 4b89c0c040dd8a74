"""Where a training starts: from a trained network, and with how many labels."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from torch import nn

from equimorph.data.apportion import largest_remainder
from equimorph.errors import InputError
from equimorph.models.checkpoint import learned_state, load_learned_state
from equimorph.models.registry import build
from equimorph.models.trained import Checkpoint

# What may differ between a network and the one it starts from: images, not weights, depend on it.
OF_IMAGES = ("crop", "mask", "input_size", "orbit", "weights")


def start_from(
    network: nn.Module,
    specification: Mapping[str, Any],
    classes: list[str],
    checkpoint: Checkpoint,
) -> str:
    """Copy a trained network's weights and running statistics into a network.

    Args:
        network: the network, its weights drawn.
        specification: of the network.
        classes: names of its logits.
        checkpoint: the trained network.

    Returns:
        `kept`, or `drawn anew` where the classes differ: then the weights that make the logits are
        those that the network has.

    Raises:
        InputError: the networks differ in more than their classes; the message names the key.
    """
    own, other = dict(specification), checkpoint.metadata["specification"]
    for key in sorted(own.keys() | other.keys()):
        if key not in OF_IMAGES and own.get(key) != other.get(key):
            raise InputError(
                f"start_from: the trained network has {key} {other.get(key)!r}, this one "
                f"{own.get(key)!r}; allowed are equal networks, or such as differ in "
                f"{', '.join(OF_IMAGES)} or in their classes."
            )
    state = learned_state(checkpoint.network)
    if checkpoint.classes == classes:
        load_learned_state(network, state)
        return "kept"
    present = learned_state(network)
    head = _head(specification, len(classes))
    load_learned_state(network, {**state, **{name: present[name].clone() for name in head}})
    return "drawn anew"


def _head(specification: Mapping[str, Any], classes: int) -> list[str]:
    """Return the names of the weights whose shapes depend on the number of classes."""
    shapes = [
        {name: tensor.shape for name, tensor in learned_state(build(specification, n)).items()}
        for n in (classes, classes + 1)
    ]
    return [name for name, shape in shapes[0].items() if shapes[1][name] != shape]


def some_labels(label: np.ndarray, number: int, generator: torch.Generator) -> np.ndarray:
    """Choose images at random, the classes in their proportions.

    With the same generator a smaller number chooses some of those that a larger one does, up to
    the rounding of the classes' shares.

    Args:
        label: (N,) classes.
        number: how many to choose, at most N, and at least one of each class.
        generator: source of the random choice.

    Returns:
        (number,) row numbers, ascending.

    Raises:
        InputError: there are not so many images, or a class would have none.
    """
    counts = np.bincount(label)
    present = counts > 0
    if not present.sum() <= number <= len(label):
        raise InputError(
            f"labels {number}: allowed are {present.sum()}, one of each class, to the "
            f"{len(label)} training images."
        )
    # One of each class first, the rest in proportion.
    share = present + largest_remainder(
        number - int(present.sum()), (counts - present) / max(1, (counts - present).sum())
    )
    order = torch.randperm(len(label), generator=generator).numpy()
    chosen = [order[label[order] == c][: share[c]] for c in range(len(counts))]
    return np.sort(np.concatenate(chosen))
