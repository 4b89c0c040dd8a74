"""Samplers: which images an epoch shows, where classes differ in size."""

from collections.abc import Callable

import torch

from equimorph.choices import choose

# By name, the number of images of an epoch as a function of the sizes of the classes.
SAMPLERS: dict[str, Callable[[torch.Tensor], torch.Tensor]] = {
    "none": torch.sum,
    "weighted": torch.sum,
    "over": lambda counts: len(counts) * counts.max(),
    "under": lambda counts: len(counts) * counts.min(),
}


def epoch_length(sampler: str, labels: torch.Tensor) -> int:
    """Return how many images an epoch of `epoch_order` has.

    Raises:
        InputError: no such sampler.
    """
    return int(choose(SAMPLERS, "train.sampler", sampler)(_counts(labels)))


def epoch_order(sampler: str, labels: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
    """Return the images of one epoch in random order, drawn anew for each epoch.

    Args:
        sampler: `none`: each image once; `weighted`: as many draws with replacement, all classes
            equally likely; `over`: each class as often as the largest, by repeating all its images
            and some once more; `under`: each class as often as the smallest, by leaving out.
        labels: (N,) int64 on the CPU.
        generator: source of the draws, on the CPU.

    Returns:
        (epoch_length,) int64 indices into `labels`.
    """
    if sampler == "none":
        return torch.randperm(len(labels), generator=generator)
    if sampler == "weighted":
        weights = 1 / torch.bincount(labels)[labels].double()
        return torch.multinomial(weights, len(labels), replacement=True, generator=generator)
    counts = _counts(labels)
    size = int(counts.max() if sampler == "over" else counts.min())
    parts = []
    for label in labels.unique():
        members = torch.nonzero(labels == label)[:, 0]
        shuffled = members[torch.randperm(len(members), generator=generator)]
        parts += [members.repeat(size // len(members)), shuffled[: size % len(members)]]
    order = torch.cat(parts)
    return order[torch.randperm(len(order), generator=generator)]


def _counts(labels: torch.Tensor) -> torch.Tensor:
    """Return the numbers of images of the classes that have any."""
    return labels.unique(return_counts=True)[1]
