"""Images unlike those that a network was trained on, told by statistics of their pixels.

A network's own energy and embeddings tell little: it has learned to ignore the very things, such
as noise, stretch and scale, by which a wrong image differs (docs/classify.md has the figures). So
an image is described by numbers that no quarter turn and no mirror image changes, and compared with
the training images in two ways: by a distance like Mahalanobis', and by a small classifier that
knows some frequent mistakes, such as another layer of the survey, from training images so changed.
"""

import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from equimorph.classify.wrong_images import WRONG, recompressed
from equimorph.errors import InputError
from equimorph.simulation.exposure import STRETCH_Q

UNLIKE = "it is unlike every training image"
REASONS = (UNLIKE, *WRONG)
# Rings about the centre, in units of half the side; what lies further out is masked.
RINGS = (0.0, 0.15, 0.35, 0.6, 0.98)
LAGS = (1, 2, 4)  # px
FAINT_PIXELS = 4.0  # pixel values above the sky
FAINT_LIGHT = 0.01  # the same in weighted light
FALSE_WARNINGS = 0.02  # of validation images
LEAST_IMAGES = 20
HIDDEN = 64  # units of the classifier
STEPS, BATCH = 5000, 200  # of its training, for any number of examples


@dataclass(frozen=True)
class Outliers:
    """Where images like the training images lie.

    Attributes:
        mean: (K,) mean of the statistics of the training images.
        whitening: (K, K) matrix that makes their covariance the identity.
        hidden: (K, H) weights of the classifier of mistakes that are known.
        hidden_bias: (H,).
        output: (H, R), of which the first column is for images as they should be.
        output_bias: (R,).
        typical: (R,) median of each reason's score over the validation images.
        limits: (R,) score from which on each reason warns.
    """

    mean: NDArray
    whitening: NDArray
    hidden: NDArray
    hidden_bias: NDArray
    output: NDArray
    output_bias: NDArray
    typical: NDArray
    limits: NDArray

    def scores(self, images: torch.Tensor) -> NDArray[np.float64]:
        """Say how unlike the training images each image is, for each of `REASONS`.

        Args:
            images: (N, 3, S, S) prepared images.

        Returns:
            (N, R): 0 is a usual image, more than 1 is a reason for a warning.
        """
        scores = self.raw_scores(statistics(images))
        return (scores - self.typical) / (self.limits - self.typical)

    def raw_scores(self, described: NDArray) -> NDArray[np.float64]:
        """Return distances and the mistakes' log odds (N, R) of statistics (N, K)."""
        white = whitened(described, self.mean, self.whitening)
        units = np.tanh(white @ self.hidden + self.hidden_bias)
        logits = units @ self.output + self.output_bias
        return np.column_stack([np.linalg.norm(white, axis=1), logits[:, 1:] - logits[:, :1]])


def whitened(described: NDArray, mean: NDArray, whitening: NDArray) -> NDArray:
    """Return statistics (N, K) in units of their usual spread, uncorrelated.

    Galaxies have heavier tails than a Gaussian: without the arcsinh a few of them, in one
    statistic, would set the limit for all.
    """
    return np.arcsinh((described - mean) @ whitening)


def fit_outliers(
    training: NDArray, validation: NDArray, examples: torch.Tensor, seed: int = 0
) -> Outliers:
    """Return where images like these lie.

    Args:
        training: (N, K) statistics of the training images.
        validation: (M, K) of others, on which the limits are set.
        examples: (E, 3, S, S) uint8, training images of which the known mistakes are made.
        seed: what the compression of the examples draws from.

    Raises:
        InputError: there are too few images.
    """
    from sklearn.covariance import LedoitWolf  # slow, and who predicts does without

    if min(len(training), len(validation), len(examples)) < LEAST_IMAGES:
        raise InputError(
            f"{len(training)} training and {len(validation)} validation images: at least "
            f"{LEAST_IMAGES} of each are needed to tell what is unlike them."
        )
    mean, scale = training.mean(axis=0), training.std(axis=0) + 1e-6
    precision = LedoitWolf().fit((training - mean) / scale).precision_
    whitening = np.linalg.cholesky(precision) / scale[:, None]
    known = _known_mistakes(examples, mean, whitening, seed)
    none = np.zeros(len(REASONS))
    usual = Outliers(mean, whitening, *known, none, none).raw_scores(validation)
    # The mistakes share one scale, that of the likeliest.
    two = np.column_stack([usual[:, 0], usual[:, 1:].max(axis=1)])
    reason = np.minimum(np.arange(len(REASONS)), 1)
    typical = np.median(two, axis=0)[reason]
    limits = np.quantile(two, 1 - FALSE_WARNINGS / 2, axis=0)[reason]
    return Outliers(mean, whitening, *known, typical, limits)


def warning(scores: NDArray) -> str | None:
    """Return what is to be said about an image with these scores (R,), None where nothing is."""
    worst = int(np.argmax(scores))
    return REASONS[worst] if scores[worst] > 1 else None


def _known_mistakes(
    examples: torch.Tensor, mean: NDArray, whitening: NDArray, seed: int
) -> tuple[NDArray, NDArray, NDArray, NDArray]:
    """Return the weights and biases of a classifier of right images and each kind of wrong ones."""
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.neural_network import MLPClassifier

    draw = np.random.default_rng(seed)
    images = examples.permute(0, 2, 3, 1).numpy()
    kinds = [images, *(change(images) for change in WRONG.values())]
    described = np.concatenate([_described_again(kind, draw) for kind in kinds])
    labels = np.repeat(np.arange(len(kinds)), len(images))
    passes = max(1, round(STEPS * BATCH / len(labels)))
    model = MLPClassifier((HIDDEN,), "tanh", alpha=0.1, max_iter=passes, random_state=seed)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        model.fit(whitened(described, mean, whitening), labels)
    (hidden, output), (hidden_bias, output_bias) = model.coefs_, model.intercepts_
    return hidden, hidden_bias, output, output_bias


def _described_again(images: NDArray[np.uint8], draw: np.random.Generator) -> NDArray:
    """Return the statistics of (N, H, W, 3) images after another JPEG file of some quality."""
    again = recompressed(np.ascontiguousarray(images), draw)
    return statistics(torch.from_numpy(again).permute(0, 3, 1, 2))


def statistics(images: torch.Tensor, batch_size: int = 256) -> NDArray[np.float64]:
    """Describe each image by numbers that tell stretch, colour, noise, scale and what is shown.

    Brightness and its spread in rings about the centre, colours there, quantiles, and differences
    of neighbouring pixels, in the whole image and in the outermost ring, which is sky.

    Args:
        images: (N, 3, S, S) pixel values of any type.
        batch_size: images at a time.

    Returns:
        (N, K); a quarter turn or a mirror image of an image has the same up to rounding.
    """
    regions = _regions(images.shape[-1])
    parts = [_described(batch, regions) for batch in images.split(batch_size)]
    return torch.cat(parts).double().numpy()


def _regions(size: int) -> torch.Tensor:
    """Return the pixels of each ring and, last, of the whole disc, (R, S, S) bool."""
    axis = (torch.arange(size) - (size - 1) / 2) / (size / 2)
    radius = torch.hypot(axis[:, None], axis[None, :])
    edges = [*zip(RINGS, RINGS[1:], strict=False), (RINGS[0], RINGS[-1])]
    return torch.stack([(low <= radius) & (radius < high) for low, high in edges])


def _described(images: torch.Tensor, regions: torch.Tensor) -> torch.Tensor:
    colours = images.float()
    # Single pixels count in grey alone: how colours differ from pixel to pixel tells how often a
    # JPEG file was compressed.
    grey = colours.mean(dim=1, keepdim=True)
    rings = regions[:-1]
    brightness, mean = _means(colours, rings), _means(grey, rings)
    variance = (_means(grey.square(), rings) - mean.square()).clamp_min(0)
    disc = grey[:, 0, regions[-1]]
    found = [(brightness + 5).log(), (variance.sqrt() + 1).log()]
    for quantile in _quantiles(disc, (0.5, 0.99)):
        found.append((quantile + 5).log()[:, None, None])
    sky = _darker_half(colours, grey, regions[-2])
    # Faint light has no colour to speak of: what is added keeps its noise out of the distances.
    for light, background, least in (
        (brightness, sky, FAINT_PIXELS),
        (_means(_unstretched(colours), rings), _unstretched(sky), FAINT_LIGHT),
    ):
        excess = ((light - background).clamp_min(0) + least)[:, :, :-1].log()
        found.append(excess[:, :2] - excess[:, 1:])
        level = (background + least).log()
        found.append(level[:, :2] - level[:, 1:])
    wide = regions[[-2, -1]]
    for lag in LAGS:
        for power in (torch.abs, torch.square):
            found.append((_mean_changes(grey[:, 0], wide, lag, power) + 0.5).log()[:, None])
    return torch.cat([part.flatten(1) for part in found], dim=1)


def _means(values: torch.Tensor, regions: torch.Tensor) -> torch.Tensor:
    """Return the means of values (N, C, S, S) over regions (R, S, S), (N, C, R)."""
    weights = regions.flatten(1).float()
    return values.flatten(2) @ (weights / weights.sum(dim=1, keepdim=True)).T


def _quantiles(values: torch.Tensor, levels: Sequence[float]) -> list[torch.Tensor]:
    """Return quantiles (N,) of each row of values (N, V).

    NumPy sorts 128 rows of 1,800 in 1.8 ms; torch takes 19.5 ms, and 2.5 to 3.3 ms by `kthvalue`
    for one level.
    """
    ordered = torch.from_numpy(np.sort(values.numpy(), axis=1))
    return [ordered[:, round(level * (values.shape[1] - 1))] for level in levels]


def _darker_half(colours: torch.Tensor, grey: torch.Tensor, region: torch.Tensor) -> torch.Tensor:
    """Return the mean colour of the darker half of a region's pixels, (N, 3, 1)."""
    (median,) = _quantiles(grey[:, 0, region], (0.5,))
    dark = ((grey <= median[:, None, None, None]) & region).float().flatten(2)
    return colours.flatten(2) @ (dark / dark.sum(dim=2, keepdim=True)).mT


def _unstretched(colours: torch.Tensor) -> torch.Tensor:
    """Return the light behind the surveys' stretch, weighted by band (see `sky.fluxes`)."""
    mean = colours.mean(dim=1, keepdim=True).clamp_min(0.3) / 255
    up = (STRETCH_Q**0.5 * mean).exp()  # not sinh, which torch computes one by one
    return colours * ((up - 1 / up) / (2 * 255 * STRETCH_Q * mean))


def _mean_changes(
    grey: torch.Tensor,
    regions: torch.Tensor,
    lag: int,
    power: Callable[[torch.Tensor], torch.Tensor],
) -> torch.Tensor:
    """Return how much pixels differ that are `lag` px apart along either axis, (N, R).

    The mean of a power of the difference over the pairs of pixels that lie inside each region.
    """
    total, pairs = torch.zeros(len(grey), len(regions)), torch.zeros(len(regions))
    for axis in (1, 2):
        length = grey.shape[axis] - lag
        first, second = (grey.narrow(axis, start, length) for start in (0, lag))
        inside = regions.narrow(axis, 0, length) & regions.narrow(axis, lag, length)
        weights = inside.flatten(1).float()
        total += power(second - first).flatten(1) @ weights.T
        pairs += weights.sum(dim=1)
    return total / pairs
