"""How well the warning tells wrong images from right ones: AUROC, and the share warned about.

python tests/benchmarks/outliers.py galaxies_48px.h5 split.csv --sample folder --input-size 49

The table has h5_index and subset; the warning is fitted on train and validation, and asked about
test. `folder` holds other cut-outs of the same survey, 256 px of 67.1 arcsec with manifest.csv, of
galaxies some of which are in the test set.
"""

import argparse
from collections.abc import Callable
from pathlib import Path

import h5py
import numpy as np
import pandas as pd
import torch
from PIL import Image
from sklearn.datasets import load_sample_images
from sklearn.metrics import roc_auc_score

from equimorph.classify.outliers import fit_outliers, statistics
from equimorph.classify.wrong_images import (
    exchanged,
    grey,
    half_as_large,
    other_layer,
    recompressed,
    square_root,
    twice_as_large,
)
from equimorph.data.tensors import network_input
from equimorph.simulation.exposure import Exposure
from equimorph.sky.fluxes import from_rgb

ENTIRE, NARROW = 67.1, 40.1  # arcsec, the fields of the sample and of the file
NATIVE = 256  # px of the sample


def lupton(images: np.ndarray) -> np.ndarray:
    """Stretch as astropy's `make_lupton_rgb` with its default parameters (stretch 5, Q 8)."""
    bands = np.stack(from_rgb(images), axis=-1)
    total = np.maximum(bands.mean(axis=-1, keepdims=True), 1e-9)
    mapped = bands * np.arcsinh(8 * total / 5) / (8 * total) / 0.1
    return (255 * mapped / np.maximum(mapped.max(axis=-1, keepdims=True), 1)).clip(0, 255)


def linear(images: np.ndarray) -> np.ndarray:
    """Stretch linearly, the brightest per cent saturated."""
    bands = np.stack(from_rgb(images), axis=-1)
    top = np.quantile(bands, 0.99, axis=(1, 2, 3), keepdims=True)
    return (255 * bands / top).clip(0, 255)


def drawn(count: int, size: int, galaxy: Callable[[Exposure], None]) -> np.ndarray:
    """Return pictures of the simulated sky with something in the middle, cut to `size`."""
    whole = round(size * ENTIRE / NARROW / 2) * 2
    margin = (whole - size) // 2
    pictures = []
    for number in range(count):
        exposure = Exposure(whole, np.random.default_rng([5, number]))
        exposure.add_field()
        galaxy(exposure)
        pictures.append(exposure.picture()[margin : margin + size, margin : margin + size])
    return np.stack(pictures)


def star(exposure: Exposure) -> None:
    """Add a bright star."""
    flux = 10 ** (0.4 * (22.5 - exposure.rng.uniform(13, 17)))
    exposure.add_points(np.zeros(1), np.zeros(1), flux * np.array([[1.8], [1.0], [0.5]]))


def photographs(count: int, size: int) -> np.ndarray:
    """Return parts of two photographs."""
    draw = np.random.default_rng(6)
    whole = load_sample_images().images
    parts = []
    for number in range(count):
        picture = whole[number % len(whole)]
        side = int(draw.integers(size, min(picture.shape[:2])))
        top, left = (int(draw.integers(0, n - side + 1)) for n in picture.shape[:2])
        part = Image.fromarray(picture[top : top + side, left : left + side])
        parts.append(np.asarray(part.resize((size, size))))
    return np.stack(parts)


def cut(folder: Path, size: int, field: float, chosen: set[int]) -> np.ndarray:
    """Return galaxies of the sample in a field of so many arcsec."""
    manifest = pd.read_csv(folder / "manifest.csv")
    side = round(NATIVE * field / ENTIRE / 2) * 2
    start = (NATIVE - side) // 2
    found = []
    for path in manifest.path[manifest.h5_index.isin(chosen)]:
        image = Image.open(folder / path).convert("RGB")
        part = image.crop((start, start, start + side, start + side))
        found.append(np.asarray(part.resize((size, size), Image.Resampling.LANCZOS)))
    return np.stack(found)


def main() -> None:
    """Fit, change, and print a row per kind of image."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("file", help="images and h5_index")
    parser.add_argument("table", help="h5_index and subset")
    parser.add_argument("--sample", type=Path, required=True, help="whole cut-outs, manifest.csv")
    parser.add_argument("--input-size", type=int, default=49, help="of the network")
    parser.add_argument("--images", type=int, default=700, help="of the test set")
    arguments = parser.parse_args()
    torch.set_num_threads(1)

    with h5py.File(arguments.file) as file:
        images, index = file["images"][:], file["h5_index"][:]
    images, index = images[(usual := images.reshape(len(images), -1).std(axis=1) > 0)], index[usual]
    subset = pd.read_csv(arguments.table).set_index("h5_index").subset.loc[index].to_numpy()
    draw = np.random.default_rng(0)

    def pixels(some: np.ndarray) -> torch.Tensor:
        return network_input(np.ascontiguousarray(some), arguments.input_size, 1.0)

    training = images[subset == "train"]
    outliers = fit_outliers(
        statistics(pixels(training)),
        statistics(pixels(images[subset == "validation"])),
        pixels(training[draw.permutation(len(training))[:3000]]),
        seed=0,
    )
    test = np.flatnonzero(subset == "test")
    test = np.sort(draw.permutation(test)[: arguments.images])
    right, count, size = images[test], len(test), images.shape[1]
    known = set(index[subset == "test"])
    kinds = {
        "the same galaxies cut from other JPEG files": cut(arguments.sample, size, NARROW, known),
        "astropy's Lupton stretch": lupton(right),
        "linear stretch": linear(right),
        "square root of the pixel values": square_root(right),
        "colours of the layer ls-dr10": other_layer(right),
        "half the pixel scale": twice_as_large(right),
        "twice the pixel scale": half_as_large(right),
        "a field 1.7 times as wide": cut(arguments.sample, size, ENTIRE, known),
        "a star": drawn(count, size, star),
        "blank sky": drawn(count, size, lambda exposure: None),
        "parts of photographs": photographs(count, size),
        "noise": draw.integers(0, 256, right.shape),
        "red and blue exchanged": exchanged(right),
        "grey": grey(right),
    }
    usual_scores = outliers.scores(pixels(right)).max(axis=1)
    print(f"{count} test galaxies: {100 * (usual_scores > 1).mean():.1f} % warned about")
    every = []
    for name, some in kinds.items():
        some = recompressed(some.round().clip(0, 255).astype(np.uint8), draw)
        scores = outliers.scores(pixels(some)).max(axis=1)
        every.append(scores)
        labels = np.repeat([0, 1], [count, len(scores)])
        auroc = roc_auc_score(labels, np.concatenate([usual_scores, scores]))
        print(f"{name:45} {auroc:.3f} {100 * (scores > 1).mean():5.0f} %  n = {len(scores)}")
    scores = np.concatenate(every[1:])  # all but the right ones
    labels = np.repeat([0, 1], [count, len(scores)])
    auroc = roc_auc_score(labels, np.concatenate([usual_scores, scores]))
    print(f"{'all wrong ones':45} {auroc:.3f} {100 * (scores > 1).mean():5.0f} %")


if __name__ == "__main__":
    main()
