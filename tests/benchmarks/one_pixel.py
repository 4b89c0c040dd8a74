"""Time one-pixel attacks: ours, the published study's Python loop, and ART's PixelAttack.

The same networks, victims, population and generations for all three. The networks are those of the
default study at drawn weights, the true class raised until no pixel changes the answer, so that
each attack spends its whole budget: population x (generations + 1) forward passes per victim.

The loop is written from its description (arXiv:2311.01500): each member's parents are drawn and its
candidate is made in Python, each candidate's image is made by itself, and they are evaluated in
batches of 128, victim by victim. ART is no dependency of the project:
    pip install --no-deps --target /tmp/art adversarial-robustness-toolbox==1.20.1
Run: PYTHONPATH=workflow:/tmp/art python tests/benchmarks/one_pixel.py [--threads 1]
"""

import argparse
import random
import time
from collections.abc import Callable

import numpy as np
import torch
import yaml
from torch import nn

from equimorph.app.describe import settle
from equimorph.models.export import export
from equimorph.models.initialisation import initialise
from equimorph.models.registry import build
from equimorph.robustness.one_pixel import CORNERS, Evolution, Victims, evolve, exhaust
from equimorph.simulation.simulate import simulate_galaxy
from equimorph.study.models import resolve

POPULATION, GENERATIONS, VICTIMS = 400, 2, 4
SIZE, CLASSES = 65, 10
BATCH = 128


class Steadfast(nn.Module):
    """A network whose first class always wins, at the same cost."""

    def __init__(self, network: nn.Module):
        super().__init__()
        self.network = network
        self.register_buffer("raise_by", torch.tensor([1000.0] + [0.0] * (CLASSES - 1)))

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Map pixel values to logits."""
        return self.network(images) + self.raise_by


def published_loop(network: nn.Module, images: torch.Tensor) -> int:
    """Attack victim by victim in Python; return how many candidates were evaluated."""
    evaluated = 0

    def fitness(members: list[list[float]], image: torch.Tensor) -> list[float]:
        nonlocal evaluated
        found: list[float] = []
        for start in range(0, len(members), BATCH):
            batch = []
            for row, column, *colour in members[start : start + BATCH]:
                changed = image.clone()
                place = [min(round(one * SIZE), SIZE - 1) for one in (row, column)]
                for channel, value in enumerate(colour):
                    changed[channel, place[0], place[1]] = 127.5 + 127.5 * value
                batch.append(changed)
            with torch.no_grad():
                found += network(torch.stack(batch)).softmax(1)[:, 0].tolist()
            evaluated += len(batch)
        return found

    for image in images.float():
        members = [
            [random.random(), random.random()]
            + [min(max(random.gauss(0.5, 0.5), 0), 1) for _ in range(3)]
            for _ in range(POPULATION)
        ]
        left = fitness(members, image)
        for _ in range(GENERATIONS):
            candidates = []
            for _ in members:
                one, two, three = random.sample(members, 3)
                new = [a + 0.5 * (b - c) for a, b, c in zip(one, two, three, strict=True)]
                candidates.append([v if 0 <= v <= 1 else random.random() for v in new])
            for number, value in enumerate(fitness(candidates, image)):
                if value < left[number]:
                    members[number], left[number] = candidates[number], value
    return evaluated


def ours(network: nn.Module, images: torch.Tensor) -> int:
    """Attack all victims side by side on the exported network."""
    settings = Evolution(POPULATION, GENERATIONS)
    streams = [np.random.default_rng(seed) for seed in range(len(images))]
    victims = Victims(images, np.zeros(len(images), int))
    return int(evolve(export(network), victims, settings, streams).queries.sum())


def exhaustion(network: nn.Module, images: torch.Tensor) -> int:
    """Try as many pixels in the corner colours as the evolution has candidates."""
    count = POPULATION * (GENERATIONS + 1) // len(CORNERS)
    pixels = np.argwhere(np.ones((SIZE, SIZE), bool))[:count]
    victims = Victims(images, np.zeros(len(images), int))
    return int(exhaust(export(network), victims, pixels).queries.sum())


def art(network: nn.Module, images: torch.Tensor) -> int:
    """Attack with ART; its population is five numbers times 400 // 5."""
    from art.attacks.evasion import PixelAttack
    from art.estimators.classification import PyTorchClassifier

    counted = Counted(network)
    classifier = PyTorchClassifier(
        counted, nn.CrossEntropyLoss(), (3, SIZE, SIZE), CLASSES, clip_values=(0, 255)
    )
    attack = PixelAttack(classifier, th=1, es=1, max_iter=GENERATIONS)
    attack.generate(images.float().numpy(), np.zeros(len(images), int))
    return counted.seen


class Counted(nn.Module):
    """A network that counts its images."""

    def __init__(self, network: nn.Module):
        super().__init__()
        self.network, self.seen = network, 0

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Map pixel values to logits."""
        self.seen += len(images)
        return self.network(images)


def measure(attack: Callable[[nn.Module, torch.Tensor], int], network: nn.Module, images) -> float:
    """Return victims per second at the budget, the better of two runs."""
    budget = POPULATION * (GENERATIONS + 1)
    rates = []
    for _ in range(2):
        start = time.perf_counter()
        evaluated = attack(network, images)
        rates.append(evaluated / budget / (time.perf_counter() - start))
    return max(rates)


def main() -> None:
    """Print a line per network."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--threads", type=int, default=1, help="CPU threads")
    parser.add_argument("--device", default="cpu", help="cpu or cuda")
    parser.add_argument("--networks", nargs="+", default=["CNN", "C4", "D4", "D16"], help="which")
    torch.set_num_threads(parser.parse_args().threads)
    arguments = parser.parse_args()
    with open("config.yaml", encoding="utf-8") as file:
        defaults = yaml.safe_load(file)["network"]
    drawn = [simulate_galaxy(k, SIZE, np.random.default_rng(k))[0] for k in range(VICTIMS)]
    images = torch.from_numpy(np.stack(drawn)).permute(0, 3, 1, 2).clamp(0, 255).byte()
    print(f"torch {torch.__version__}, {torch.get_num_threads()} threads, {VICTIMS} victims at")
    print(f"{SIZE} px, population {POPULATION}, {GENERATIONS} generations; victims per second")
    print("network  published     ART    ours  exhaustion   ours/published   ours/ART")
    for name in arguments.networks:
        network = build(resolve(name, {}, defaults), CLASSES)
        initialise(network, torch.Generator().manual_seed(0))
        settle(network, images)
        network = Steadfast(network).eval()
        rates = [measure(call, network, images) for call in (published_loop, art, ours, exhaustion)]
        loop, peer, own, corners = rates
        print(
            f"{name:8}{loop:10.3f}{peer:8.3f}{own:8.3f}{corners:12.3f}"
            f"{own / loop:17.1f}{own / peer:11.1f}",
            flush=True,
        )


if __name__ == "__main__":
    main()
