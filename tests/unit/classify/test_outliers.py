"""Statistics that tell unusual images: what they are blind to, and what they see."""

import numpy as np
import pytest
import torch
from sklearn.metrics import roc_auc_score

from equimorph.classify.outliers import REASONS, fit_outliers, statistics, warning
from equimorph.classify.wrong_images import WRONG
from equimorph.errors import InputError
from equimorph.simulation.simulate import simulate_galaxy


@pytest.fixture(scope="module")
def galaxies():
    """500 simulated galaxies at 65 px, (N, 3, S, S)."""
    drawn = [
        simulate_galaxy(number % 10, 65, np.random.default_rng([2, number]))[0]
        for number in range(500)
    ]
    return torch.from_numpy(np.stack(drawn).round().clip(0, 255).astype(np.uint8)).permute(
        0, 3, 1, 2
    )


@pytest.fixture(scope="module")
def outliers(galaxies):
    """Fitted on the first 400."""
    return fit_outliers(
        statistics(galaxies[:280]), statistics(galaxies[280:400]), galaxies[:280], seed=0
    )


def test_quarter_turns_and_mirror_images_change_no_statistic(galaxies):
    some = galaxies[:5]
    for moved in (some.rot90(1, (2, 3)), some.rot90(2, (2, 3)), some.flip(3)):
        assert np.allclose(statistics(moved), statistics(some), atol=1e-4)
    assert np.ptp(statistics(some), axis=0).min() > 0  # none is the same for every image


def test_batches_do_not_matter(galaxies):
    assert np.allclose(statistics(galaxies[:7], batch_size=3), statistics(galaxies[:7]), atol=1e-5)


def changed(change, images):
    pixels = change(images.permute(0, 2, 3, 1).numpy())
    return torch.from_numpy(np.ascontiguousarray(pixels)).permute(0, 3, 1, 2)


def auroc(outliers, usual, unusual):
    scores = [outliers.scores(images).max(axis=1) for images in (usual, unusual)]
    labels = np.repeat([0, 1], [len(usual), len(unusual)])
    return roc_auc_score(labels, np.concatenate(scores))


@pytest.mark.parametrize(
    ("change", "least"),
    [
        *((change, 0.9) for change in WRONG.values()),
        (lambda images: np.full_like(images, 32), 0.99),
        (lambda images: np.random.default_rng(0).integers(0, 256, images.shape, np.uint8), 0.99),
        (lambda images: 255 - images, 0.99),
    ],
    ids=[*(change.__name__ for change in WRONG.values()), "constant", "noise", "negative"],
)
def test_wrong_images_score_above_held_out_galaxies(galaxies, outliers, change, least):
    held_out = galaxies[400:]
    assert auroc(outliers, held_out, changed(change, held_out)) >= least


@pytest.mark.parametrize("reason", WRONG)
def test_a_known_mistake_is_named(galaxies, outliers, reason):
    scores = outliers.scores(changed(WRONG[reason], galaxies[400:]))
    assert (scores[:, 1:].argmax(axis=1) == REASONS.index(reason) - 1).mean() >= 0.7


def test_few_held_out_galaxies_are_warned_about(galaxies, outliers):
    assert (outliers.scores(galaxies[400:]).max(axis=1) > 1).mean() <= 0.1


def test_a_warning_names_the_strongest_reason():
    assert warning(np.array([0.9, 0.5, -3.0])) is None
    assert warning(np.array([1.1, 0.5, -3.0])) == REASONS[0]
    assert warning(np.array([1.1, 1.2, -3.0])) == REASONS[1]


def test_too_few_images_tell_nothing(galaxies):
    few = statistics(galaxies[:5])
    with pytest.raises(InputError, match="5 training and 5 validation images: at least 20 of each"):
        fit_outliers(few, few, galaxies[:5])
