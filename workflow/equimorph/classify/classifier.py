"""A trained network, ready to classify galaxies: `equimorph.load`."""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from threading import Lock
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from equimorph.classify.companion import COMPANION, MODEL, Companion, load_companion
from equimorph.classify.images import SMALLEST_SIDE, Galaxy, read_galaxies
from equimorph.classify.neighbours import Neighbour
from equimorph.classify.outliers import warning
from equimorph.classify.shipped import find
from equimorph.errors import InputError
from equimorph.evaluation.equivariance import logits_against_angle
from equimorph.evaluation.temperature import calibrated
from equimorph.groups.names import parse_group
from equimorph.io import sha256_of
from equimorph.models.embedding import predict_embeddings
from equimorph.models.export import export
from equimorph.models.orbit import OrbitAverage
from equimorph.models.plain import plain_network
from equimorph.models.trained import Checkpoint, load_checkpoint, read_checkpoint

ANGLES = tuple(22.5 * step for step in range(16))  # degrees
QUARTERS = 4  # every fourth of them only moves pixels
ROUNDING = 5  # decimals; sums in another order differ by some 1e-7
NEIGHBOURS = 5
LARGE = 512  # px of a side, above which images are prepared one by one
_ONE_LARGE = Lock()  # 4,096 px take some 350 MB on their way
BATCH = 32  # images that the network sees at a time; more take memory, and no less time


@dataclass(frozen=True)
class Certificate:
    """How far the probabilities of an image depend on how it lies.

    Attributes:
        largest_change: of any probability, over 16 turns of the image and of its mirror image,
            rounded to 1e-5. At other than quarter turns the image is resampled, too.
        at_quarter_turns: the same over quarter turns, which only move pixels: 0 for a network that
            is equivariant under them.
        mirrored: the same over the mirror image at quarter turns.
    """

    largest_change: float
    at_quarter_turns: float
    mirrored: float


@dataclass(frozen=True)
class Prediction:
    """What a network says of an image.

    Attributes:
        name: path of the file, or the number of the image among those given.
        probabilities: by class, in the order of the labels.
        warning: why the image is unlike those that the network was trained on; None where it is
            like them, or where that is not known.
        outlier_score: how unlike; 0 is usual, a warning begins above 1. None where not known.
        certificate: None where none was asked for.
        neighbours: the most similar training images, the first the most.
    """

    name: str
    probabilities: dict[str, float]
    warning: str | None
    outlier_score: float | None
    certificate: Certificate | None
    neighbours: list[Neighbour]

    @property
    def label(self) -> str:
        """The most probable class."""
        return max(self.probabilities, key=self.probabilities.__getitem__)

    def top(self, count: int) -> list[tuple[str, float]]:
        """Return the most probable classes with their probabilities."""
        ordered = sorted(self.probabilities.items(), key=lambda entry: -entry[1])
        return ordered[:count]

    def __str__(self) -> str:
        return self.as_text()

    def as_text(self, count: int = 3) -> str:
        """Return the `count` most probable classes, the certificate and the warning, as text."""
        lines = [f"{self.name}: " + ", ".join(f"{name} {p:.0%}" for name, p in self.top(count))]
        if self.certificate is not None:
            lines.append(
                f"  turned and mirrored, no probability changes by more than "
                f"{self.certificate.largest_change:.1%}; by quarter turns "
                f"{self.certificate.at_quarter_turns:.1%}"
            )
        if self.warning is not None:
            lines.append(f"  warning: {self.warning}")
        if self.neighbours:
            alike = (f"{one.index} ({one.label})" for one in self.neighbours)
            lines.append(f"  most like the training images {', '.join(alike)}")
        return "\n".join(lines)


@dataclass(frozen=True)
class Outputs:
    """What a network gives for N prepared images.

    Attributes:
        probabilities: (N, classes) float64, calibrated.
        embeddings: (N, E) float32.
        outlier_scores: (N, reasons) float64, None where not known.
    """

    probabilities: NDArray[np.float64]
    embeddings: NDArray[np.float32]
    outlier_scores: NDArray[np.float64] | None


@dataclass(frozen=True)
class Ready:
    """An image as the network takes it.

    Attributes:
        name: the image's, as `Galaxy` has it.
        inputs: what `checkpoint.prepare` returns of it alone.
    """

    name: str
    inputs: tuple[torch.Tensor, ...]


def _kind(galaxy: Galaxy | Ready) -> Any:
    if isinstance(galaxy, Ready):
        return None
    return len(galaxy.pixels), galaxy.pixel_scale


@dataclass(frozen=True)
class Classifier:
    """A trained network with what is needed to use it.

    Attributes:
        checkpoint: the network, without escnn's classes, and the preparation of images for it.
        companion: what was measured on the study's images; None for a bare checkpoint, whose
            probabilities are then not calibrated and whose warnings are missing.
    """

    checkpoint: Checkpoint
    companion: Companion | None

    def __repr__(self) -> str:
        name = self.checkpoint.metadata.get("model", "without a name")
        field = "" if self.field is None else f", a field of {self.field:.1f} arcsec"
        return f"<Classifier {name}: {len(self.classes)} classes{field}>"

    @property
    def classes(self) -> list[str]:
        """Names of the classes in the order of the labels."""
        return self.checkpoint.classes

    @property
    def pixel_scale(self) -> float | None:
        """Arcsec per px of the training images as they were stored, None where it is unknown."""
        return self.checkpoint.preparation.pixel_scale

    @property
    def field(self) -> float | None:
        """Side of the field of the training images in arcsec, None where it is unknown."""
        return self.checkpoint.preparation.field

    @property
    def temperature(self) -> float:
        """What the logits are divided by; 1 where no companion says it."""
        return 1.0 if self.companion is None else self.companion.temperature

    def identity(self) -> str:
        """Return a digest of all that predictions depend on beside the images."""
        known = self.companion
        beside = None if known is None else [known.model_sha256, known.temperature]
        weights = {
            name: hashlib.sha256(tensor.numpy().tobytes()).hexdigest()
            for name, tensor in self.checkpoint.network.state_dict().items()
        }
        said = [self.checkpoint.metadata["preparation"], beside, weights]
        return hashlib.sha256(json.dumps(said, sort_keys=True).encode()).hexdigest()

    def predict(
        self,
        images: Any,
        pixel_scale: float | None = None,
        certificate: bool = True,
        neighbours: int = NEIGHBOURS,
    ) -> list[Prediction]:
        """Classify one or many images.

        Args:
            images: paths, images of Pillow, RGB or fluxes of NumPy or torch; see `images.ALLOWED`.
                All are square, with the galaxy in the middle.
            pixel_scale: arcsec per px of all of them; None where they show the field that the
                training images show (`field`), or FITS files say their scale.
            certificate: whether each image is turned and mirrored, too, which takes 32 times as
                long.
            neighbours: how many training images to name.

        Returns:
            A prediction for each image, in order.

        Raises:
            InputError: an image cannot be read, or shows less than the training images.
        """
        galaxies = read_galaxies(images, pixel_scale)
        return self.predict_galaxies(galaxies, certificate, neighbours)

    def predict_galaxies(
        self,
        galaxies: Sequence[Galaxy | Ready],
        certificate: bool = False,
        neighbours: int = 0,
    ) -> list[Prediction]:
        """Classify images that have been read, or made ready; see `predict`."""
        predictions: dict[int, Prediction] = {}
        # Images of one size and scale are prepared together.
        kinds: dict[Any, list[int]] = {}
        for number, galaxy in enumerate(galaxies):
            kinds.setdefault(_kind(galaxy), []).append(number)
        for numbers in kinds.values():
            inputs = self._inputs([galaxies[number] for number in numbers])
            names = [galaxies[number].name for number in numbers]
            found = self._predictions(names, inputs, certificate, neighbours)
            predictions |= dict(zip(numbers, found, strict=True))
        return [predictions[number] for number in range(len(galaxies))]

    def ready(self, galaxy: Galaxy) -> Galaxy | Ready:
        """Return a large image as the network takes it, one after the other; others as they are.

        Whoever reads many images keeps them in this form, so that memory does not depend on their
        size.
        """
        if len(galaxy.pixels) <= LARGE:
            return galaxy
        with _ONE_LARGE:
            return Ready(galaxy.name, self._inputs([galaxy]))

    def embed(self, images: Any, pixel_scale: float | None = None) -> NDArray[np.float32]:
        """Return what the network knows of each image, (N, E): the last layer's input.

        Takes the same as `predict`, and raises the same. A classifier of one's own classes needs
        little more than these numbers.
        """
        galaxies = read_galaxies(images, pixel_scale)
        found = []
        for galaxy in galaxies:
            found.append(self.outputs(*self._inputs([galaxy])).embeddings)
        return np.concatenate(found) if found else np.empty((0, 0), np.float32)

    def outputs(self, *inputs: torch.Tensor) -> Outputs:
        """Return what the network gives for prepared images.

        Args:
            inputs: what `checkpoint.prepare` returns.
        """
        logits, embeddings = predict_embeddings(self.checkpoint.network, *inputs, batch_size=BATCH)
        outliers = None if self.companion is None else self.companion.outliers
        return Outputs(
            calibrated(logits.numpy(), self.temperature),
            embeddings.numpy(),
            None if outliers is None else outliers.scores(inputs[0]),
        )

    def certify(self, *inputs: torch.Tensor) -> list[Certificate]:
        """Return how far the probabilities of prepared images depend on how they lie."""
        network, (pixels, *measured) = self.checkpoint.network, inputs
        changes = []
        for reflect in (False, True):
            logits = logits_against_angle(network, pixels, ANGLES, reflect, measured).numpy()
            turned = calibrated(logits.reshape(-1, logits.shape[-1]), self.temperature)
            changes.append(turned.reshape(logits.shape))
        straight, mirrored = (
            np.round(np.abs(turned - changes[0][0]).max(axis=2), ROUNDING) for turned in changes
        )
        quarters = slice(None, None, len(ANGLES) // QUARTERS)
        largest = np.maximum(straight, mirrored).max(axis=0)
        rows = zip(
            largest, straight[quarters].max(axis=0), mirrored[quarters].max(axis=0), strict=True
        )
        return [Certificate(*map(float, row)) for row in rows]

    def _inputs(self, galaxies: Sequence[Galaxy | Ready]) -> tuple[torch.Tensor, ...]:
        """Return what the network takes of images of one kind."""
        made = [galaxy.inputs for galaxy in galaxies if isinstance(galaxy, Ready)]
        if made:
            return tuple(torch.cat(each) for each in zip(*made, strict=True))
        read = [galaxy for galaxy in galaxies if isinstance(galaxy, Galaxy)]
        scale = read[0].pixel_scale
        try:
            if scale and self.field is not None and self.field / scale < SMALLEST_SIDE:
                raise InputError(
                    f"pixel scale {scale:g}: the training images' field of {self.field:.1f} arcsec "
                    f"has fewer than {SMALLEST_SIDE} px; smaller scales are allowed."
                )
            return self.checkpoint.prepare(np.stack([galaxy.pixels for galaxy in read]), scale)
        except InputError as error:
            others = f" and {len(read) - 1} more" if len(read) > 1 else ""
            raise InputError(f"{read[0].name}{others}: {error}") from error

    def _predictions(
        self,
        names: list[str],
        inputs: tuple[torch.Tensor, ...],
        certificate: bool,
        neighbours: int,
    ) -> list[Prediction]:
        outputs = self.outputs(*inputs)
        certificates = self.certify(*inputs) if certificate else [None] * len(names)
        nearest: list[list[Neighbour]] = [[] for _ in names]
        if neighbours and self.companion is not None and self.companion.training is not None:
            training = self.companion.training
            nearest = training.nearest(outputs.embeddings, self.classes, neighbours)
        scores, probabilities = outputs.outlier_scores, outputs.probabilities.tolist()
        return [
            Prediction(
                name=name,
                probabilities=dict(zip(self.classes, probabilities[n], strict=True)),
                warning=None if scores is None else warning(scores[n]),
                outlier_score=None if scores is None else float(scores[n].max()),
                certificate=certificates[n],
                neighbours=nearest[n],
            )
            for n, name in enumerate(names)
        ]


def load(name_or_path: str | Path | None = None) -> Classifier:
    """Load a classifier.

    Args:
        name_or_path: the name of a study that `dvc pull` or the installed package has brought, such
            as `demo`; a folder with model.safetensors and companion.safetensors; or a checkpoint,
            with or without a companion beside it. None for the best that there is.

    Raises:
        InputError: there is none, it is damaged, or its companion belongs to another checkpoint.
    """
    place = find(name_or_path)
    model = place / MODEL if place.is_dir() else place
    beside = model.with_name(COMPANION)
    if not beside.is_file():
        return Classifier(_exported(model), None)
    metadata, preparation, _ = read_checkpoint(model)
    companion = load_companion(beside, len(metadata["classes"]))
    if companion.model_sha256 != sha256_of(model):
        raise InputError(f"{beside}: belongs to another checkpoint than {model}.")
    if companion.layers is None:
        return Classifier(_exported(model), companion)
    try:
        network = plain_network(companion.layers, companion.tensors)
    except InputError as error:
        raise InputError(f"{beside}: {error}") from error
    if "orbit" in metadata["specification"]:
        network = OrbitAverage(network, parse_group(metadata["specification"]["orbit"]))
    classifier = Classifier(Checkpoint(_fast(network), preparation, metadata), companion)
    _try(classifier, beside)
    return classifier


def _try(classifier: Classifier, companion: Path) -> None:
    """Classify a black image, since a companion's weights may be anything.

    Raises:
        InputError: no probabilities come of it, or embeddings of another length than the stored.
    """
    side = classifier.checkpoint.preparation.input_size
    black = Galaxy("a black image", np.zeros((side, side, 3), np.uint8))
    try:
        found = classifier.outputs(*classifier._inputs([black]))
        fits = found.probabilities.shape == (1, len(classifier.classes))
        known = None if classifier.companion is None else classifier.companion.training
        if known is not None:
            fits &= known.embeddings.shape[1:] == found.embeddings.shape[1:]
        if fits and np.isfinite(found.probabilities).all():
            return
    except (RuntimeError, TypeError, ValueError) as error:
        raise InputError(f"{companion}: its network does not run ({error}).") from error
    raise InputError(f"{companion}: its network does not fit the checkpoint's classes.")


def _exported(path: Path) -> Checkpoint:
    """Return a checkpoint whose network is built by its own class and exported."""
    checkpoint = load_checkpoint(path)
    return replace(checkpoint, network=_fast(export(checkpoint.network)))


def _fast(network: nn.Module) -> nn.Module:
    """Return a network whose convolutions take channels last.

    A CPU takes 18 % less time for the published networks so, for one image or many.
    """
    return network.eval().to(memory_format=torch.channels_last)
