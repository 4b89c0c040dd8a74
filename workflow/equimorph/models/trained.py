"""A trained network, read from its checkpoint, and the preparation of images for it."""

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import load
from torch import nn

from equimorph.data.star_filters import FILTERS, SEEING
from equimorph.data.tensors import network_input
from equimorph.errors import InputError
from equimorph.models.checkpoint import FORMAT, PACKED, load_learned_state, unpack
from equimorph.models.header import check_header
from equimorph.models.inputs import measured
from equimorph.models.preparation import TOLERANCE, Preparation
from equimorph.models.registry import build
from equimorph.progress import progress


@dataclass(frozen=True)
class Checkpoint:
    """A network in evaluation form and what was stored with it.

    Attributes:
        network: takes what `prepare` returns, gives logits.
        preparation: how the images that it was trained on were prepared.
        metadata: `model` (name), `specification`, `classes`, `seed`, `split_sha256`, ...
    """

    network: nn.Module
    preparation: Preparation
    metadata: dict[str, Any]

    @property
    def classes(self) -> list[str]:
        """Names of the logits."""
        return self.metadata["classes"]

    def is_like(self, other: "Checkpoint") -> bool:
        """Tell whether another checkpoint has the same network, classes and preparation."""
        keys = ("specification", "classes", "preparation")
        return all(self.metadata[key] == other.metadata[key] for key in keys)

    def prepare(
        self,
        images: np.ndarray,
        pixel_scale: float | None = None,
        stars_removed: int | None = None,
        star_filter: str = SEEING,
    ) -> tuple[torch.Tensor, ...]:
        """Prepare images as the training images were, and return the network's inputs.

        A larger field is cut to that of the training images; field stars are removed where they
        were there, with noise that depends on the image alone; the image is cropped and resized.

        Args:
            images: (N, W, W, 3) uint8 as they come, may be memory-mapped.
            pixel_scale: arcsec per px of these images; None where they show the field that the
                training images show.
            stars_removed: the seed, where their field stars are removed already, as a study's data
                stage does.
            star_filter: what has removed them then, a name in `star_filters.FILTERS`.

        Returns:
            (N, 3, size, size) uint8 and, where the network takes it, what is measured on them.

        Raises:
            InputError: the images are no such array, their field is smaller than that of the
                training images or cannot be compared with it, or their stars were removed
                otherwise.
        """
        square = images.ndim == 4 and images.shape[1] == images.shape[2] and images.shape[3] == 3
        if images.dtype != np.uint8 or not square:
            raise InputError(
                f"images of type {images.dtype} and shape {images.shape}: allowed is uint8 "
                "(N, W, W, 3)."
            )
        images = self._in_the_training_field(images, pixel_scale)
        removed = None if stars_removed is None else (stars_removed, star_filter)
        images = self._without_stars(images, pixel_scale, removed)
        own = self.preparation
        pixels = network_input(images, own.input_size, own.crop, own.antialias)
        return (pixels, *measured(self.network, images))

    def _in_the_training_field(self, images: np.ndarray, pixel_scale: float | None) -> np.ndarray:
        if pixel_scale is None:
            return images
        if not 0 < pixel_scale < np.inf:
            raise InputError(f"pixel scale {pixel_scale}: allowed are numbers above 0, in arcsec.")
        field, side = self.preparation.field, images.shape[1]
        if field is None:
            raise InputError(
                f"pixel scale {pixel_scale:g}: that of the training images is not known, so the "
                "fields cannot be compared; leave it out where both show the same field."
            )
        if side * pixel_scale < (1 - TOLERANCE) * field:
            raise InputError(
                f"images of {side * pixel_scale:.1f} arcsec ({side} px of {pixel_scale:g}): the "
                f"network was trained on {field:.1f} arcsec; allowed are images of as much or more."
            )
        # An even margin on both sides keeps the centre where it is.
        margin = max(0, round((side - field / pixel_scale) / 2))
        return images[:, margin : side - margin, margin : side - margin]

    def _without_stars(
        self, images: np.ndarray, pixel_scale: float | None, removed: tuple[int, str] | None
    ) -> np.ndarray:
        seed, name = self.preparation.stars_removed, self.preparation.star_filter
        trained = None if seed is None else (seed, name)
        if removed == trained:
            return images
        if removed is not None or seed is None:
            how = "with their stars" if trained is None else f"with the {_filter(*trained)}"
            given = "" if removed is None else f" ({_filter(*removed)})"
            raise InputError(
                f"images without field stars{given}: the network was trained on images {how}; "
                "allowed are the same, or images as they come."
            )
        field = self.preparation.field
        scale = pixel_scale or (field and field / images.shape[1])
        if not scale:
            raise InputError(
                "the network was trained on images without field stars, and to find them the pixel "
                "scale is needed; give that of the images."
            )
        cleaned = np.empty_like(images)
        with progress(len(images), "remove stars", "images") as bar:
            for number, image in enumerate(images):
                content = hashlib.sha256(image.tobytes()).digest()
                draw = np.random.default_rng([seed, int.from_bytes(content)])
                cleaned[number] = FILTERS[name](np.asarray(image), scale, draw)
                bar.update()
        return cleaned


def _filter(seed: int, name: str) -> str:
    """Say how field stars were removed."""
    return f"seed {seed}" if name == SEEING else f"seed {seed}, filter {name}"


def load_checkpoint(path: str | Path) -> Checkpoint:
    """Read a checkpoint and build its network in evaluation mode.

    Raises:
        InputError: the file is missing, damaged or not one of equimorph's.
    """
    metadata, preparation, state = read_checkpoint(path)
    try:
        network = build(metadata["specification"], len(metadata["classes"]))
        load_learned_state(network, state)
    except InputError as error:
        raise InputError(f"{path}: {error}") from error
    except Exception as error:  # of torch and escnn, where arguments do not fit one another
        raise InputError(
            f"{path}: its header is damaged: no network can be built from it ({error!r})."
        ) from error
    return Checkpoint(network.eval(), preparation, metadata)


def read_checkpoint(
    path: str | Path,
) -> tuple[dict[str, Any], Preparation, dict[str, torch.Tensor]]:
    """Read what a checkpoint says of its network, and the learned state; nothing is built.

    Raises:
        InputError: the file is missing, damaged or not one of equimorph's.
    """
    try:
        with safe_open(path, framework="pt") as file:
            header = file.metadata() or {}
            packed = file.get_tensor(PACKED) if FORMAT in header else None
    except (OSError, SafetensorError) as error:
        raise InputError(f"{path}: not a readable safetensors file ({error}).") from error
    if packed is None:
        earlier = [name for name in header if name.startswith("equimorph-")]
        if earlier:
            raise InputError(
                f"{path}: a model of an earlier version ({earlier[0]}), which does not say how its "
                f"images were prepared; allowed is {FORMAT}: train it again."
            )
        raise InputError(f"{path}: not a model of equimorph (format {FORMAT} is expected).")
    try:
        state = load(unpack(packed.view(torch.uint8).numpy().tobytes()))
    except (RuntimeError, SafetensorError, ValueError) as error:
        raise InputError(f"{path}: its weights are damaged ({error}).") from error
    try:
        metadata = json.loads(header[FORMAT])
        weights = sum(tensor.numel() for tensor in state.values())
        preparation = check_header(metadata, weights, len(state))
    except (ValueError, RecursionError) as error:
        raise InputError(f"{path}: its header is damaged: {error}") from error
    return metadata, preparation, state
