"""One-pixel attacks: which single pixel, in which colour, makes a network forget the true class.

Differential evolution (Su et al. 2019, arXiv:1710.08864) as the published study has it
(arXiv:2311.01500), with its defects corrected or as they are, and exhaustion: every pixel in each
of the eight corner colours of the cube of pixel values. At 65 px with a disc mask exhaustion takes
26,376 forward passes, evolution at its published size up to 80,400.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from equimorph.errors import InputError
from equimorph.robustness.attacks import Attacks
from equimorph.robustness.local_change import LocalChange

BATCH = 128  # candidates of a forward pass
CORNERS = np.array(list(product((0, 255), repeat=3)), np.float32)
GIVEN_UP = 0.05  # of the true class: below it the published attack counts as a success
_PARENTS = 3


@dataclass(frozen=True)
class Victims:
    """Images that a network has right, as it takes them.

    Attributes:
        images: (V, 3, S, S) pixel values.
        labels: (V,) true classes.
        beside: what the network takes beside the images, each (V, k); it stays that of the image as
            it was.
    """

    images: torch.Tensor
    labels: NDArray
    beside: Sequence[torch.Tensor] = ()

    def __len__(self) -> int:
        return len(self.labels)

    def part(self, rows: slice) -> "Victims":
        """Return some of the victims."""
        return Victims(self.images[rows], self.labels[rows], [b[rows] for b in self.beside])


@dataclass(frozen=True)
class Evolution:
    """How candidates evolve: x1 + factor (x2 - x3) of three members, without crossover.

    A candidate is five numbers from 0 to 1, place and colour; those that leave this range are drawn
    anew. A member gives way where the new one leaves the true class less probability.

    Attributes:
        population: members, at least four.
        generations: at most so many after the first population.
        factor: of the difference of two members.
        published: the attack with the published study's defects: colours come from the upper half
            of the pixel values, places are rounded (the first row and column are half as likely as
            others, the last ones half more), a member may be its own parent, success is looked for
            in the best member alone and not in the first population.
    """

    population: int = 400
    generations: int = 200
    factor: float = 0.5
    published: bool = False

    def __post_init__(self) -> None:
        if self.population <= _PARENTS:
            raise InputError(
                f"population {self.population}: allowed are {_PARENTS + 1} members or more."
            )

    def first(self, rng: np.random.Generator) -> NDArray:
        """Return the first (population, 5) members: places uniform, colours about the middle."""
        places = rng.random((self.population, 2))
        colours = rng.normal(0.5, 0.5, (self.population, 3)).clip(0, 1)
        return np.concatenate([places, colours], axis=1)

    def next(self, members: NDArray, rng: np.random.Generator) -> NDArray:
        """Return the (population, 5) candidates that challenge the members."""
        one, two, three = members[self.parents(rng)]
        candidates = one + self.factor * (two - three)
        outside = (candidates < 0) | (candidates > 1)
        candidates[outside] = rng.random(int(outside.sum()))
        return candidates

    def parents(self, rng: np.random.Generator) -> NDArray:
        """Return three different members for each one, (3, population), itself not among them."""
        taken = np.empty((0 if self.published else 1, self.population), np.int64)
        taken[:] = np.arange(self.population)
        first = len(taken)
        for _ in range(_PARENTS):
            # A draw among those that are left: the k-th is moved past each smaller one taken.
            drawn = rng.integers(self.population - len(taken), size=self.population)
            for passed in np.sort(taken, axis=0):
                drawn = drawn + (drawn >= passed)
            taken = np.concatenate([taken, drawn[None]])
        return taken[first:]

    def decode(self, candidates: NDArray, size: int) -> tuple[NDArray, NDArray]:
        """Return the pixels (…, 2), row and column, and colours (…, 3) of candidates (…, 5).

        Args:
            candidates: numbers from 0 to 1.
            size: side of the images in px.
        """
        places, colours = candidates[..., :2], candidates[..., 2:]
        if self.published:
            # 0 to 1 in images whose range is -1 to 1.
            pixels, values = np.rint(places * size), 127.5 + 127.5 * colours
        else:
            pixels, values = np.floor(places * size), np.rint(255 * colours)
        return pixels.clip(0, size - 1).astype(np.int64), values.astype(np.float32)


def exhaust(
    network: nn.Module, victims: Victims, pixels: NDArray, batch_size: int = BATCH
) -> Attacks:
    """Try every pixel in every corner colour on every victim; the outcome holds no chance.

    Args:
        network: takes (B, 3, S, S) pixel values and what lies beside them, gives logits.
        victims: what it is shown.
        pixels: (M, 2) rows and columns to try, such as `visible_pixels`.
        batch_size: candidates at a time.
    """
    places = np.repeat(pixels, len(CORNERS), axis=0)
    colours = np.tile(CORNERS, (len(pixels), 1))
    ask = _Questions(network, victims, batch_size)
    found = []
    for victim in range(len(victims)):
        answer = ask.answers(np.full(len(places), victim), places, colours)
        label = victims.labels[victim]
        successes = int((answer[1] != label).sum())
        found.append(_best(answer, label, places, colours, len(places), 0, successes))
    return Attacks.joined(found)


def evolve(
    network: nn.Module,
    victims: Victims,
    settings: Evolution,
    streams: Sequence[np.random.Generator],
    batch_size: int = BATCH,
) -> Attacks:
    """Evolve a population against each victim, all of them side by side until each is done.

    Args:
        network: as in `exhaust`.
        victims: the same.
        settings: how.
        streams: each victim's own random stream, so that no victim's attack depends on another's.
        batch_size: candidates at a time, of all victims together.
    """
    size = victims.images.shape[-1]
    hunts = [
        _Hunt(settings, size, label, rng)
        for label, rng in zip(victims.labels, streams, strict=True)
    ]
    ask = _Questions(network, victims, batch_size)
    active = list(range(len(victims)))
    while active:
        whose = np.repeat(active, settings.population)
        pixels, colours = settings.decode(
            np.concatenate([hunts[victim].candidates for victim in active]), size
        )
        left, said = ask.answers(whose, pixels, colours)
        shape = (len(active), settings.population)
        for victim, *answer in zip(active, left.reshape(shape), said.reshape(shape), strict=True):
            hunts[victim].judge(*answer)
        active = [victim for victim in active if hunts[victim].outcome is None]
    return Attacks.joined([hunt.outcome for hunt in hunts if hunt.outcome])


class _Hunt:
    """The evolution against one victim.

    Attributes:
        candidates: (population, 5) to be judged next.
        outcome: the attack, once it is over.
    """

    def __init__(self, settings: Evolution, size: int, label: int, rng: np.random.Generator):
        self.settings, self.size, self.label, self.rng = settings, size, label, rng
        self.candidates = settings.first(rng)
        self.members = self.candidates
        self.left = np.full(settings.population, np.inf)
        self.said = np.full(settings.population, label)
        self.generation = 0
        self.successes = 0
        self.outcome: Attacks | None = None

    def judge(self, left: NDArray, said: NDArray) -> None:
        """Let the candidates challenge the members, and end the attack or go on to the next ones.

        Args:
            left: (population,) probability that each candidate leaves the true class.
            said: (population,) the class that the network predicts of it.
        """
        self.successes += int((said != self.label).sum())
        better = left < self.left
        self.left = np.where(better, left, self.left)
        self.said = np.where(better, said, self.said)
        self.members = np.where(better[:, None], self.candidates, self.members)
        if self.settings.published:
            best = [int(self.left.argmin())]
            left, said, shown = self.left[best], self.said[best], self.members[best]
            success = said[0] != self.label or left[0] < GIVEN_UP
            done = self.generation > 0 and bool(success)
        elif done := bool((said != self.label).any()):
            # A candidate may change the class and yet leave it more than the member it challenges.
            shown = self.candidates
        else:
            left, said, shown = self.left, self.said, self.members
        if not done and self.generation < self.settings.generations:
            self.generation += 1
            self.candidates = self.settings.next(self.members, self.rng)
            return
        self.outcome = _best(
            (left, said),
            self.label,
            *self.settings.decode(shown, self.size),
            queries=(self.generation + 1) * self.settings.population,
            generations=self.generation,
            successes=self.successes,
        )


def _best(
    answer: tuple[NDArray, NDArray],
    label: int,
    pixels: NDArray,
    colours: NDArray,
    queries: int,
    generations: int,
    successes: int,
) -> Attacks:
    """Return the best of a victim's candidates as an attack on one victim."""
    left, said = answer
    changes = said != label
    best = np.where(changes, left, np.inf if changes.any() else left).argmin()
    values = (
        bool(changes[best]),
        *pixels[best],
        colours[best],
        said[best],
        left[best],
        queries,
        generations,
        successes,
    )
    return Attacks(*(np.asarray(value)[None] for value in values))


class _Questions:
    """What a network says of candidates against some victims."""

    def __init__(self, network: nn.Module, victims: Victims, batch_size: int):
        """Show the network the victims as they are.

        Args:
            network: as in `exhaust`.
            victims: the same.
            batch_size: candidates at a time.
        """
        network.eval()
        self.device = next(network.parameters()).device
        self.labels = torch.from_numpy(np.asarray(victims.labels, np.int64)).to(self.device)
        self.batch_size = batch_size
        with torch.inference_mode():
            self.local = LocalChange(
                network,
                victims.images.to(self.device, torch.float32),
                [each.to(self.device) for each in victims.beside],
            )

    def answers(self, whose: NDArray, pixels: NDArray, colours: NDArray) -> tuple[NDArray, NDArray]:
        """Return what each candidate leaves the true class, and which class is predicted of it.

        Args:
            whose: (K,) the victim that each candidate is against.
            pixels: (K, 2) rows and columns.
            colours: (K, 3) pixel values.

        Returns:
            Two arrays (K,).
        """
        given = [torch.from_numpy(each).to(self.device) for each in (whose, pixels, colours)]
        left, said = [], []
        with torch.inference_mode():
            for batch in zip(*(each.split(self.batch_size) for each in given), strict=True):
                logits = self.local.logits(*batch).float()
                true = self.labels[batch[0]][:, None]
                left.append(logits.softmax(1).gather(1, true)[:, 0])
                said.append(logits.argmax(1))
        return torch.cat(left).cpu().numpy(), torch.cat(said).cpu().numpy()


def visible_pixels(disc: torch.Tensor) -> NDArray[np.int64]:
    """Return rows and columns (M, 2) of the pixels that a mask lets through, even in part.

    Args:
        disc: (S, S) weights of the pixels; below 1/255 the whole range is less than a pixel value.
    """
    return torch.nonzero(disc >= 1 / 255).cpu().numpy()
