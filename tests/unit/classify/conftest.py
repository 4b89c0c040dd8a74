"""A small study's classifier: a D4 network that has learned to tell round blobs from long ones."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from torch.nn.functional import cross_entropy

from equimorph.classify.classifier import Classifier, load
from equimorph.classify.companion import COMPANION, MODEL, Companion, save_companion
from equimorph.classify.make import make_companion
from equimorph.classify.page import compared, examples_of, render_page
from equimorph.io import sha256_of
from equimorph.models.checkpoint import learned_state, save_checkpoint
from equimorph.models.preparation import Preparation
from equimorph.models.trained import Checkpoint, load_checkpoint
from equimorph.study.models import resolve
from tests.jobs import TRUNK, blobs
from tests.unit.networks import initialised, inputs

CLASSES = ["round", "long"]
TRAIN, VALIDATION, TEST = range(100), range(100, 180), range(180, 240)


@dataclass(frozen=True)
class Study:
    """What a study leaves, and the images that it was made of.

    Attributes:
        folder: holds `classifier`.
        images: (240, 33, 33, 3) uint8.
        labels: (240,).
        companion: as it was made, not as it was read.
    """

    folder: Path
    images: np.ndarray
    labels: np.ndarray
    companion: Companion


def make_study(folder: Path, name: str = "D4") -> Study:
    """Train a network for a moment and put it where `load` finds it."""
    data = blobs(240, seed=0)
    draw = torch.Generator().manual_seed(1)
    noisy = data.images + 12 * torch.randn(data.images.shape, generator=draw)
    pixels = noisy.round().clamp(0, 255).to(torch.uint8)
    truth = data.labels.clone()
    truth[::7] = 1 - truth[::7]  # or a network would be certain of everything
    specification = resolve(name, {}, {**TRUNK, "match": "fields"})
    network = _trained(initialised(specification, 2), pixels[list(TRAIN)], truth[list(TRAIN)])
    prepared = Preparation(33, 2.0, stars_removed=None, crop=1.0, input_size=33)
    metadata = {
        "specification": specification,
        "classes": CLASSES,
        "preparation": prepared.stored(),
        "seed": 0,
        "model": name,
    }
    place = folder / "classifier"
    save_checkpoint(place / MODEL, learned_state(network), metadata)
    images = pixels.permute(0, 2, 3, 1).numpy()
    subsets = {"train": TRAIN, "validation": VALIDATION, "test": TEST}
    rows = {subset: np.array(numbers) for subset, numbers in subsets.items()}
    labels = {subset: truth.numpy()[numbers] for subset, numbers in rows.items()}
    catalogue = pd.DataFrame({"ra": np.arange(240) / 2, "dec": np.arange(240) / 4 - 30})
    companion = make_companion(
        load_checkpoint(place / MODEL),
        sha256_of(place / MODEL),
        images,
        rows,
        labels,
        catalogue,
        "blobs",
    )
    save_companion(place / COMPANION, companion)
    return Study(folder, images, truth.numpy(), companion)


def _trained(network, images, labels):
    optimiser = torch.optim.AdamW(network.parameters(), lr=0.003)
    network.train()
    for _ in range(60):
        optimiser.zero_grad()
        cross_entropy(network(*inputs(network, images)), labels).backward()
        optimiser.step()
    return network.eval()


@pytest.fixture(scope="session")
def study(tmp_path_factory) -> Study:
    """A study with a D4 network."""
    return make_study(tmp_path_factory.mktemp("blobs"))


@pytest.fixture(scope="session")
def classifier(study) -> Classifier:
    """Its classifier."""
    return load(study.folder)


@pytest.fixture(scope="session")
def page(study, classifier, tmp_path_factory) -> tuple[Path, Checkpoint]:
    """A page with a network to compare with, and that network's checkpoint."""
    folder = tmp_path_factory.mktemp("page")
    other = load_checkpoint(make_study(folder, "CNN").folder / "classifier/model.safetensors")
    plain = compared(other, study.images[100:180], study.labels[100:180], {})
    examples = examples_of(study.images, np.array(TEST), study.labels[list(TEST)], CLASSES)
    path = folder / "classify.html"
    path.write_text(render_page("blobs", classifier, plain, examples), encoding="utf-8")
    return path, other
