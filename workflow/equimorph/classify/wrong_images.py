"""Images as they are where something went wrong on the way: another layer, another scale."""

import io
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from equimorph.data.tensors import network_input
from equimorph.simulation.exposure import STRETCH_FLOOR, STRETCH_Q
from equimorph.sky.fluxes import from_rgb

# The colours of the surveys' layer ls-dr10: g, r, i and z, stretched 1.5 times as hard, and how
# much of each goes into red, green and blue.
GRIZ_WEIGHTS = 1.5 * np.array([6.0, 3.4, 3.0, 2.2])
GRIZ_COLOURS = np.array([[0.0, 0.0, 0.75], [0.0, 0.5, 0.25], [0.25, 0.5, 0.0], [0.75, 0.0, 0.0]])
I_BETWEEN = 0.45  # share of r in the flux in i; the rest is z's
QUALITIES = (75, 96)  # of JPEG files


def other_layer(images: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Return (N, H, W, 3) images as the layer ls-dr10 shows them, whose colours are griz."""
    z, r, g = from_rgb(images)
    bands = [g, r, I_BETWEEN * r + (1 - I_BETWEEN) * z, z]
    weighted = np.stack(bands, axis=-1) * GRIZ_WEIGHTS + STRETCH_FLOOR
    mean = np.maximum(np.maximum(weighted, 0).mean(axis=-1, keepdims=True), 1e-6)
    colours = weighted @ GRIZ_COLOURS * np.arcsinh(STRETCH_Q * mean) / (STRETCH_Q**0.5 * mean)
    return (255 * colours.clip(0, 1)).round().astype(np.uint8)


def twice_as_large(images: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Return (N, H, H, 3) images at half the pixel scale: their central half, enlarged."""
    return network_input(images, images.shape[1], crop=0.5).permute(0, 2, 3, 1).numpy()


def square_root(images: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Return (N, H, W, 3) images whose faint parts are raised, as by a display's gamma."""
    return (255 * np.sqrt(images / 255)).round().astype(np.uint8)


def grey(images: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Return (N, H, W, 3) images without their colours."""
    mean = images.mean(axis=-1, keepdims=True).round().astype(np.uint8)
    return np.repeat(mean, 3, axis=-1)


def exchanged(images: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Return (N, H, W, 3) images whose red is their blue, as some libraries read files."""
    return np.ascontiguousarray(images[..., ::-1])


def half_as_large(images: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Return (N, H, H, 3) images at twice the pixel scale; around them is their mirror image."""
    side = images.shape[1]
    rim = (side // 2,) * 2
    wide = np.pad(images, ((0, 0), rim, rim, (0, 0)), mode="reflect")
    return network_input(wide, side, crop=1.0).permute(0, 2, 3, 1).numpy()


def recompressed(images: NDArray[np.uint8], draw: np.random.Generator) -> NDArray[np.uint8]:
    """Return (N, H, W, 3) images after JPEG files of various qualities.

    What tells wrong images from right ones must not be how often they were compressed.
    """
    result = np.empty_like(images)
    for number, image in enumerate(images):
        file = io.BytesIO()
        Image.fromarray(image).save(file, "JPEG", quality=int(draw.integers(*QUALITIES)))
        result[number] = np.asarray(Image.open(file))
    return result


# What a warning says, and what makes such images.
WRONG: dict[str, Callable[[NDArray[np.uint8]], NDArray[np.uint8]]] = {
    "its colours are those of another layer or stretch than the training images'": other_layer,
    "its faint parts are brighter than the training images'": square_root,
    "it is grey": grey,
    "its red and its blue are exchanged": exchanged,
    "it shows a smaller field than the training images, or its scale is wrong": twice_as_large,
    "it shows a larger field than the training images, or its scale is wrong": half_as_large,
}
