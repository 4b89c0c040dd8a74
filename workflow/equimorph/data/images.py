"""Import of a folder of images with a manifest."""

import hashlib
import io
import math
import warnings
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError

from equimorph.data.manifest import ManifestRow, Problem, read_manifest
from equimorph.data.raw import RawArrays
from equimorph.errors import InputError
from equimorph.progress import progress

# By content, not by name. Pillow reads more kinds, and for one it starts another program.
MOST_PIXELS = 89_478_485  # Pillow's own limit, a quarter of a gigabyte
FORMATS = ("PNG", "JPEG", "TIFF", "GIF", "BMP", "WEBP", "PPM", "JPEG2000")


def import_images(
    folder: str | Path, classes: Sequence[str], pxscale: float = math.nan
) -> RawArrays:
    """Read the images of a folder into arrays; they are held in memory.

    Greyscale, palette and CMYK images become RGB; transparent ones are laid over black. An
    orientation in the EXIF data is applied, as every viewer does. A warning names the columns of
    the manifest that are not used.

    Args:
        folder: folder of the images and their `manifest.csv` (see `read_manifest`).
        classes: the classes' names in the order of the labels.
        pxscale: arcsec per pixel, NaN if unknown.

    Returns:
        The arrays of the raw schema, in the order of the manifest; redshift is NaN.

    Raises:
        InputError: faults of the manifest, unreadable images, other digests than stated, images
            that are not square or differ in size; the message lists up to 20 rows.
    """
    if not (math.isnan(pxscale) or 0 < pxscale < math.inf):
        raise InputError(f"pixel scale {pxscale}: allowed are numbers above 0, and NaN if unknown.")
    manifest = read_manifest(folder, classes)
    for note in manifest.notes:
        warnings.warn(note, stacklevel=2)
    pixels: dict[int, np.ndarray] = {}
    problems = []
    with progress(len(manifest.rows), "import", "images") as bar:
        for row in manifest.rows:
            try:
                pixels[row.line] = _read_image(row)
            except InputError as error:
                problems.append(Problem(row.line, row.path, str(error)))
            bar.update()
    manifest.check([*problems, *_size_problems(manifest.rows, pixels)])
    return RawArrays(
        images=np.stack(list(pixels.values())),
        labels=np.array([row.label for row in manifest.rows], np.uint8),
        ra=np.array([row.ra for row in manifest.rows]),
        dec=np.array([row.dec for row in manifest.rows]),
        redshift=np.full(len(pixels), np.nan),
        pxscale=np.full(len(pixels), pxscale),
    )


def _read_image(row: ManifestRow) -> np.ndarray:
    """Return an image as (H, W, 3) uint8, its digest checked."""
    try:
        content = row.file.read_bytes()
    except OSError as error:
        raise InputError(f"cannot be read ({error.strerror})") from error
    digest = hashlib.sha256(content).hexdigest()
    if row.sha256 and digest != row.sha256:
        raise InputError(f"the sha256 is {digest}, the manifest says {row.sha256}")
    return decode(content)


def decode(content: bytes, largest_side: int | None = None) -> np.ndarray:
    """Return the image in a file's content as (H, W, 3) uint8.

    Args:
        content: of the file.
        largest_side: px that are allowed, None for any that has at most `MOST_PIXELS`.

    Raises:
        InputError: it is no image of a kind in `FORMATS`, damaged, too large, or more than one.
    """
    try:
        with Image.open(io.BytesIO(content), formats=FORMATS) as image:
            return rgb_of(image, largest_side)
    except InputError:
        raise
    except UnidentifiedImageError as error:  # its own message names an object in memory
        raise InputError(f"not a readable image; allowed are {', '.join(FORMATS)}") from error
    except Exception as error:  # decoders raise many kinds, from SyntaxError to zlib.error
        raise InputError(f"not a readable image ({type(error).__name__}: {error})") from error


def rgb_of(image: Image.Image, largest_side: int | None = None) -> np.ndarray:
    """Return an image as (H, W, 3) uint8; its size is checked before any pixel is unpacked.

    Raises:
        InputError: as `decode`.
    """
    if unfit := _unfit(image, largest_side):
        raise InputError(unfit)
    try:
        return as_rgb(image)
    except Exception as error:  # an image may be lazy, and its file damaged
        raise InputError(f"not a readable image ({type(error).__name__}: {error})") from error


def _unfit(image: Image.Image, largest_side: int | None) -> str | None:
    """Return why a readable image cannot be used, None where it can."""
    width, height = image.size
    # A small file may unpack to gigabytes, and Pillow only warns of it below twice its limit; that
    # warning cannot be made an error here, since filters of warnings are those of all threads.
    if width * height > MOST_PIXELS:
        return f"has {width}x{height} px; allowed are {MOST_PIXELS} in all"
    if largest_side is not None and max(image.size) > largest_side:
        return f"has {width}x{height} px; allowed are sides up to {largest_side} px"
    # Pillow cuts 16-bit colour down to 8 bits in silence; only the decoder's name tells.
    if image.mode in ("I", "F") or ";16" in f"{image.mode} {getattr(image, 'tile', '')}":
        return "has more than 8 bits per channel; scale it to 8 bits first"
    if (frames := getattr(image, "n_frames", 1)) > 1:
        return f"has {frames} frames; allowed is one image per file"
    return None


def as_rgb(image: Image.Image) -> np.ndarray:
    """Return an image as (H, W, 3) uint8, upright and laid over black where it is transparent."""
    image = ImageOps.exif_transpose(image)
    if image.has_transparency_data:
        image = image.convert("RGBA")
        image = Image.alpha_composite(Image.new("RGBA", image.size, (0, 0, 0, 255)), image)
    return np.array(image.convert("RGB"))


def _size_problems(rows: list[ManifestRow], pixels: dict[int, np.ndarray]) -> Iterator[Problem]:
    """Yield the images that are not square, or not of the size that most of them have."""
    sizes = Counter(image.shape for image in pixels.values() if image.shape[0] == image.shape[1])
    for row in rows:
        if row.line not in pixels:
            continue
        height, width, _ = pixels[row.line].shape
        if height != width:
            yield Problem(row.line, row.path, f"{width}x{height} px; allowed are square images")
            continue
        common = sizes.most_common(1)[0][0][0]
        if height != common:
            what = f"{width}x{height} px; all must have one size, most have {common}x{common} px"
            yield Problem(row.line, row.path, what)
