"""Time one-pixel attacks: ours, the published study's Python loop, and ART's PixelAttack.

The same networks, victims, population and generations for all three. The networks are those of the
default study at drawn weights, the true class raised until no pixel changes the answer, so that
each attack spends its whole budget: population x (generations + 1) forward passes per victim.

The loop is written from its description (arXiv:2311.01500): each member's parents are drawn and its
candidate is made in Python, each candidate's image is made by itself, and they are evaluated in
batches of 128, victim by victim. ART is no dependency of the project:
    pip install --no-deps --target /tmp/art adversarial-robustness-toolbox==1.20.1
Run: PYTHONPATH=workflow:/tmp/art python tests/benchmarks/one_pixel.py [--networks CNN D4]
S1's own size: the same with --preset workflow/presets/pandya2023.yaml --victims 2
"""

import argparse
import random
import time
from collections.abc import Callable

import numpy as np
import torch
from torch import nn

from equimorph.app.describe import settle
from equimorph.models.export import export
from equimorph.models.initialisation import initialise
from equimorph.models.registry import build
from equimorph.robustness.one_pixel import CORNERS, Evolution, Victims, evolve, exhaust
from equimorph.simulation.simulate import simulate_galaxy
from equimorph.study.models import resolve
from equimorph.study.yaml_files import merged, read_yaml

POPULATION, GENERATIONS = 400, 2
CLASSES = 10
BATCH = 128


def steadfast(network: nn.Module) -> nn.Module:
    """Return a network whose first class always wins, at the same cost."""
    *_, last = (module for module in network.modules() if isinstance(module, nn.Linear))
    with torch.no_grad():
        last.bias[0] += 1000
    return network.eval()


def published_loop(network: nn.Module, images: torch.Tensor) -> int:
    """Attack victim by victim in Python; return how many candidates were evaluated."""
    evaluated, size = 0, images.shape[-1]

    def fitness(members: list[list[float]], image: torch.Tensor) -> list[float]:
        nonlocal evaluated
        found: list[float] = []
        for start in range(0, len(members), BATCH):
            batch = []
            for row, column, *colour in members[start : start + BATCH]:
                changed = image.clone()
                place = [min(round(one * size), size - 1) for one in (row, column)]
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
    pixels = np.argwhere(np.ones(images.shape[2:], bool))
    pixels = np.random.default_rng(0).permutation(pixels)[:count]
    victims = Victims(images, np.zeros(len(images), int))
    return int(exhaust(export(network), victims, pixels).queries.sum())


def art(network: nn.Module, images: torch.Tensor) -> int:
    """Attack with ART; its population is five numbers times 400 // 5."""
    from art.attacks.evasion import PixelAttack
    from art.estimators.classification import PyTorchClassifier

    counted = Counted(network)
    classifier = PyTorchClassifier(
        counted, nn.CrossEntropyLoss(), tuple(images.shape[1:]), CLASSES, clip_values=(0, 255)
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
    """Return victims per CPU second at the budget, the better of two runs."""
    budget = POPULATION * (GENERATIONS + 1)
    rates = []
    for _ in range(2):
        start = time.process_time()  # of all threads; other jobs may run
        evaluated = attack(network, images)
        rates.append(evaluated / budget / (time.process_time() - start))
    return max(rates)


def main() -> None:
    """Print a line per network."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--threads", type=int, default=1, help="CPU threads")
    parser.add_argument("--victims", type=int, default=4, help="how many")
    parser.add_argument("--preset", help="overlay of config.yaml; its `network` is taken")
    parser.add_argument("--networks", nargs="+", default=["CNN", "C4", "D4"], help="which")
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    config = read_yaml("config.yaml")
    if arguments.preset:
        config = merged(config, read_yaml(arguments.preset))
    size = config["network"]["input_size"]
    drawn = [
        simulate_galaxy(k, size, np.random.default_rng(k))[0] for k in range(arguments.victims)
    ]
    images = torch.from_numpy(np.stack(drawn)).permute(0, 3, 1, 2).clamp(0, 255).byte()
    print(f"torch {torch.__version__}, {torch.get_num_threads()} threads, {len(images)} victims at")
    print(f"{size} px, population {POPULATION}, {GENERATIONS} generations; victims per CPU second")
    print("network  published     ART    ours  exhaustion   ours/published   ours/ART")
    for name in arguments.networks:
        network = build(resolve(name, config["models"], config["network"]), CLASSES)
        initialise(network, torch.Generator().manual_seed(0))
        settle(network, images)
        network = steadfast(network)
        rates = [measure(call, network, images) for call in (published_loop, art, ours, exhaustion)]
        loop, peer, own, corners = rates
        print(
            f"{name:8}{loop:10.4f}{peer:8.4f}{own:8.4f}{corners:12.4f}"
            f"{own / loop:17.1f}{own / peer:11.1f}",
            flush=True,
        )


if __name__ == "__main__":
    main()
