"""One-pixel attacks on networks whose weakest pixel is known."""

import numpy as np
import pytest
import torch
from torch import nn

from equimorph.errors import InputError
from equimorph.models.head import circular_mask
from equimorph.robustness.attacks import Attacks
from equimorph.robustness.one_pixel import (
    Evolution,
    Victims,
    evolve,
    exhaust,
    visible_pixels,
)

SIZE = 9
WEAK = (6, 2)


class Weak(nn.Module):
    """Says class 1 where blue, less red, of one pixel is above a threshold; else class 0."""

    def __init__(self, threshold=0.5, spread=1.5):
        super().__init__()
        self.threshold = nn.Parameter(torch.tensor(threshold))
        axis = torch.arange(SIZE)
        distance = (axis[:, None] - WEAK[0]) ** 2 + (axis[None, :] - WEAK[1]) ** 2
        self.weight = torch.exp(-distance / (2 * spread**2)) if spread else (distance == 0).float()
        self.seen = 0

    def forward(self, images):
        """Map pixel values to two logits."""
        self.seen += len(images)
        values = (images / 255 * self.weight).sum(dim=(2, 3))
        change = values[:, 2] - values[:, 0] - self.threshold
        return torch.stack([torch.zeros_like(change), 8 * change], dim=1)


def victims(count=3):
    return Victims(torch.zeros(count, 3, SIZE, SIZE, dtype=torch.uint8), np.zeros(count, int))


def streams(count=3, seed=0):
    return [np.random.default_rng([seed, number]) for number in range(count)]


EVERYWHERE = np.argwhere(np.ones((SIZE, SIZE), bool))


def test_exhaustion_finds_the_weakest_pixel_and_colour():
    network = Weak()
    found = exhaust(network, victims(), EVERYWHERE)
    assert found.success.all() and (found.predicted == 1).all()
    assert set(zip(found.row, found.column, strict=True)) == {WEAK}
    assert (found.colour == [0, 0, 255]).all()  # green does not matter: the first of equals
    assert (found.queries == 8 * SIZE**2).all() and network.seen == 3 * 8 * SIZE**2
    np.testing.assert_allclose(found.probability, 1 / (1 + np.exp(4)), rtol=1e-5)
    # Blue without red on each pixel whose weight is above one half, in two greens.
    assert (found.successes == 2 * int((network.weight > 0.5).sum())).all()


def test_evolution_finds_the_weakest_pixel_and_colour():
    # Never a success, so that the population goes on to the optimum.
    found = evolve(Weak(threshold=1.5), victims(), Evolution(60, 80), streams())
    assert not found.success.any() and (found.predicted == 0).all()
    assert set(zip(found.row, found.column, strict=True)) == {WEAK}
    assert (found.colour[:, 0] <= 5).all() and (found.colour[:, 2] >= 250).all()
    assert (found.generations == 80).all() and (found.queries == 81 * 60).all()


def test_evolution_stops_at_the_first_success():
    network = Weak(spread=0)
    found = evolve(network, victims(), Evolution(40, 200), streams())
    assert found.success.all() and (found.generations < 200).all()
    assert (found.queries == 40 * (found.generations + 1)).all()
    assert network.seen == found.queries.sum()  # whoever is done leaves the batch
    with torch.no_grad():
        logits = network(torch.from_numpy(found.perturbed(np.zeros((3, 3, SIZE, SIZE), "f4"))))
    np.testing.assert_array_equal(logits.argmax(1), found.predicted)


def test_a_success_of_the_first_population_counts_at_once_but_in_the_published_attack():
    easy = Weak(threshold=0.01, spread=9)
    assert (evolve(easy, victims(), Evolution(20, 9), streams()).generations == 0).all()
    published = evolve(easy, victims(), Evolution(20, 9, published=True), streams())
    assert published.success.all() and (published.generations == 1).all()


def test_the_published_attack_has_bright_colours_alone():
    dark = nn.Sequential(Weak())
    dark[0].weight = -dark[0].weight  # blue must be dark now, against bright images
    shown = Victims(torch.full((2, 3, SIZE, SIZE), 100.0), np.zeros(2, int))
    found = evolve(dark, shown, Evolution(40, 30, published=True), streams(2))
    assert (found.colour >= 127.5).all()
    assert (evolve(dark, shown, Evolution(40, 30), streams(2)).colour[:, 2] < 100).all()


def test_no_victim_depends_on_the_others():
    network, settings = Weak(threshold=0.9), Evolution(30, 10)
    together = evolve(network, victims(), settings, streams())
    alone = [
        evolve(network, victims().part(slice(n, n + 1)), settings, streams()[n : n + 1])
        for n in range(3)
    ]
    for name, values in Attacks.joined(alone).arrays().items():
        np.testing.assert_allclose(values, together.arrays()[name], rtol=1e-6, err_msg=name)


@pytest.mark.parametrize("published", [False, True])
def test_parents_differ(published):
    drawn = Evolution(5, 1, published=published).parents(np.random.default_rng(0))
    many = np.concatenate(
        [
            Evolution(5, 1, published=published).parents(np.random.default_rng(seed))
            for seed in range(400)
        ],
        axis=1,
    )
    assert drawn.shape == (3, 5) and set(many.ravel()) == set(range(5))
    assert all(len(set(column)) == 3 for column in many.T)
    own = (many == np.tile(np.arange(5), 400)).any(axis=0).mean()
    assert own == pytest.approx(0.6, abs=0.05) if published else own == 0
    others = many[0, ::5]  # of member 0, each other one equally often
    counts = np.bincount(others, minlength=5)[0 if published else 1 :]
    assert counts.min() > 0.7 * counts.mean()


def test_pixels_are_drawn_alike_but_the_published_edges_half_as_often():
    candidates = np.random.default_rng(0).random((80_000, 5))
    for published, edge in ((False, 1), (True, 0.5)):
        pixels, _ = Evolution(published=published).decode(candidates, 8)
        counts = np.bincount(pixels[:, 0], minlength=8) / 10_000
        np.testing.assert_allclose(counts[1:-1], 1, atol=0.05)
        assert counts[0] == pytest.approx(edge, abs=0.05)
        # Rounding to S and clipping to S - 1: the last one gets what is beyond.
        assert counts[-1] == pytest.approx(1.5 if published else 1, abs=0.05)


def test_what_lies_beside_the_images_goes_with_them():
    class Sum(nn.Module):
        def __init__(self):
            super().__init__()
            self.bias = nn.Parameter(torch.zeros(()))

        def forward(self, images, measured):
            """Give what was measured."""
            return torch.cat([measured, -measured], dim=1) + self.bias

    shown = Victims(torch.zeros(2, 3, 5, 5), np.array([0, 0]), [torch.tensor([[1.0], [-1.0]])])
    found = exhaust(Sum(), shown, np.array([[2, 2]]))
    assert found.success.tolist() == [False, True] and found.successes.tolist() == [0, 8]


def test_pixels_that_the_mask_hides_are_not_tried():
    pixels = visible_pixels(circular_mask(65))
    assert 3200 < len(pixels) < 3400 and [0, 0] not in pixels.tolist()
    assert [32, 32] in pixels.tolist()


def test_a_population_without_three_others():
    with pytest.raises(InputError, match="population 3: allowed are 4"):
        Evolution(3)
