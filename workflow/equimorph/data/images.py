"""Import of a folder of images with a manifest."""

import csv
import hashlib
import io
import math
import re
import warnings
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image, ImageFile, ImageOps

from equimorph.data.positions import SKY_LIMITS
from equimorph.data.raw import RawArrays, check_n_classes
from equimorph.errors import InputError
from equimorph.progress import progress

MANIFEST = "manifest.csv"
LISTED_PROBLEMS = 20
MAX_FILE_BYTES = 2**29
# By content, not by name. Pillow reads more kinds, and for one it starts another program.
FORMATS = ("PNG", "JPEG", "TIFF", "GIF", "BMP", "WEBP", "PPM", "JPEG2000")
OVERFLOW = "\n"  # no stripped column name equals it


@dataclass(frozen=True)
class ManifestRow:
    """One image of a manifest.

    Attributes:
        line: line of the manifest, the header being line 1.
        path: path as the manifest has it, relative to the folder.
        file: the file itself.
        label: class, 0 … n_classes - 1.
        ra: right ascension in degrees, NaN where unknown.
        dec: declination in degrees, NaN where unknown.
        sha256: the file's digest, empty where not given.
    """

    line: int
    path: str
    file: Path
    label: int
    ra: float
    dec: float
    sha256: str


@dataclass(frozen=True)
class _Problem:
    line: int
    path: str
    what: str


def read_manifest(folder: str | Path, n_classes: int) -> list[ManifestRow]:
    """Read `manifest.csv` of a folder: columns path, label, optionally ra, dec, sha256.

    Other columns are ignored. Only files inside the folder are ever looked at.

    Args:
        folder: folder of the images and the manifest.
        n_classes: number of classes.

    Returns:
        The images in the order of the manifest.

    Raises:
        InputError: the manifest cannot be used; the message lists up to 20 rows and their faults.
    """
    rows, problems = _parse_manifest(Path(folder), n_classes)
    _stop_at(problems, Path(folder))
    return rows


def import_images(folder: str | Path, n_classes: int, pxscale: float = math.nan) -> RawArrays:
    """Read the images of a folder into arrays; they are held in memory.

    Greyscale, palette and CMYK images become RGB; transparent ones are laid over black. Those that
    EXIF says to turn are turned, as every viewer shows them.

    Args:
        folder: folder of the images and their `manifest.csv` (see `read_manifest`).
        n_classes: number of classes.
        pxscale: arcsec per pixel, NaN if unknown.

    Returns:
        The arrays of the raw schema, in the order of the manifest; redshift is NaN.

    Raises:
        InputError: faults of the manifest, unreadable images, other digests than stated, images
            that are not square or differ in size; the message lists up to 20 rows.
    """
    folder = Path(folder)
    if not (math.isnan(pxscale) or 0 < pxscale < math.inf):
        raise InputError(f"pixel scale {pxscale}: allowed are numbers above 0, and NaN if unknown.")
    rows, problems = _parse_manifest(folder, n_classes)
    pixels: dict[int, np.ndarray] = {}
    with progress(len(rows), "import", "images") as bar:
        for row in rows:
            try:
                pixels[row.line] = _read_image(row)
            except InputError as error:
                problems.append(_Problem(row.line, row.path, str(error)))
            bar.update()
    problems += _size_problems(rows, pixels)
    _stop_at(problems, folder)
    return RawArrays(
        images=np.stack(list(pixels.values())),
        labels=np.array([row.label for row in rows], np.uint8),
        ra=np.array([row.ra for row in rows]),
        dec=np.array([row.dec for row in rows]),
        redshift=np.full(len(rows), np.nan),
        pxscale=np.full(len(rows), pxscale),
    )


def _stop_at(problems: list[_Problem], folder: Path) -> None:
    """Raise one error that lists the problems, if there are any."""
    if not problems:
        return
    problems = sorted(problems, key=lambda problem: problem.line)
    lines = [f"  row {problem.line} ({problem.path}): {problem.what}" for problem in problems]
    if len(lines) > LISTED_PROBLEMS:
        lines[LISTED_PROBLEMS:] = [f"  and {len(lines) - LISTED_PROBLEMS} more"]
    head = f"{folder / MANIFEST}: these rows cannot be used (the header is row 1):"
    raise InputError("\n".join([head, *lines]))


def _parse_manifest(folder: Path, n_classes: int) -> tuple[list[ManifestRow], list[_Problem]]:
    """Return the rows that can be used, and what is wrong with the others."""
    check_n_classes(n_classes)
    root = folder.resolve()
    rows, problems = [], []
    seen: dict[Path, int] = {}
    n_rows = 0
    for line, cells in _read_table(folder / MANIFEST):
        n_rows += 1
        try:
            row = _parse_row(root, line, cells, n_classes)
            first = seen.setdefault(row.file, line)
            if first != line:
                raise InputError(f"the same image as in row {first}")
            rows.append(row)
        except InputError as error:
            problems.append(_Problem(line, cells["path"], str(error)))
    if not n_rows:
        raise InputError(f"{folder / MANIFEST}: there are no rows below the header.")
    return rows, problems


def _read_table(path: Path) -> Iterator[tuple[int, dict[str, str]]]:
    """Yield line and stripped cells of each row; those beyond the header stand under OVERFLOW."""
    if not path.is_file():
        raise InputError(f"{path}: there is no such file; needed is a table with path and label.")
    try:
        with open(path, encoding="utf-8-sig", newline="") as file:
            reader = csv.DictReader(file, restkey=OVERFLOW, restval="")
            reader.fieldnames = [name.strip() for name in reader.fieldnames or ()]
            _check_columns(path, reader.fieldnames)
            for cells in reader:
                if OVERFLOW in cells:
                    cells[OVERFLOW] = ",".join(cells[OVERFLOW])
                yield reader.line_num, {name: cell.strip() for name, cell in cells.items()}
    except (UnicodeDecodeError, csv.Error) as error:
        raise InputError(f"{path}: not a CSV file in UTF-8 ({error}).") from error


def _check_columns(path: Path, names: list[str]) -> None:
    missing = [name for name in ("path", "label") if name not in names]
    if missing:
        raise InputError(f"{path}: the columns {missing} are missing; found are {names}.")
    if len({"ra", "dec"} & set(names)) == 1:
        raise InputError(f"{path}: only one of the columns ra and dec is there; give both or none.")
    twice = [name for name, count in Counter(names).items() if count > 1]
    if twice:
        raise InputError(f"{path}: the columns {twice} stand more than once.")


def _parse_row(root: Path, line: int, cells: dict[str, str], n_classes: int) -> ManifestRow:
    if OVERFLOW in cells:
        raise InputError("has more cells than the header")
    file = _locate(root, cells["path"])
    label = cells["label"]
    # int alone would take "+1", "1_0" and other scripts' digits.
    if not re.fullmatch("[0-9]{1,3}", label) or int(label) >= n_classes:
        raise InputError(f"label '{label}'; allowed are the integers 0 to {n_classes - 1}")
    ra, dec = (_degrees(name, cells.get(name, "")) for name in SKY_LIMITS)
    if math.isnan(ra) != math.isnan(dec):
        raise InputError("only one of ra and dec is given; give both or none")
    return ManifestRow(line, cells["path"], file, int(label), ra, dec, cells.get("sha256", ""))


def _locate(root: Path, path: str) -> Path:
    """Return the file that a relative path names, links resolved; it lies inside `root`."""
    if not path:
        raise InputError("the path is empty")
    try:
        file = (root / path).resolve()
        # Absolute paths, `..` and symbolic links may all lead out.
        if Path(path).is_absolute() or not file.is_relative_to(root):
            raise InputError("leads out of the folder; allowed are relative paths within it")
        if not file.is_file():
            raise InputError("there is no such file")
    except InputError:
        raise
    except (OSError, RuntimeError, ValueError) as error:  # too long, a loop of links, a zero byte
        raise InputError(f"not a usable path ({error})") from error
    return file


def _degrees(name: str, cell: str) -> float:
    lowest, highest = SKY_LIMITS[name]
    try:
        value = float(cell or "nan")
    except ValueError:
        value = math.inf
    if math.isnan(value) or lowest <= value <= highest:
        return value
    raise InputError(
        f"{name} '{cell}'; allowed are degrees from {lowest:g} to {highest:g}, or an empty cell"
    )


def _read_image(row: ManifestRow) -> np.ndarray:
    """Return an image as (H, W, 3) uint8, its digest checked."""
    try:
        size = row.file.stat().st_size
        content = row.file.read_bytes() if size <= MAX_FILE_BYTES else b""
    except OSError as error:
        raise InputError(f"cannot be read ({error.strerror})") from error
    if size > MAX_FILE_BYTES:
        raise InputError(f"has {size} bytes; allowed are at most {MAX_FILE_BYTES}")
    digest = hashlib.sha256(content).hexdigest()
    if row.sha256 and digest != row.sha256.lower():
        raise InputError(f"the sha256 is {digest}, the manifest says {row.sha256}")
    try:
        with warnings.catch_warnings():
            # A small file may unpack to gigabytes: Pillow only warns below twice its limit.
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            with Image.open(io.BytesIO(content), formats=FORMATS) as image:
                unfit = _unfit(image)
                pixels = None if unfit else _to_rgb(image)
    except Exception as error:  # decoders raise many kinds, from SyntaxError to zlib.error
        raise InputError(f"not a readable image ({type(error).__name__}: {error})") from error
    if pixels is None:
        raise InputError(unfit)
    return pixels


def _unfit(image: ImageFile.ImageFile) -> str | None:
    """Return why a readable image cannot be used, None where it can."""
    # Pillow cuts 16-bit colour down to 8 bits in silence; only the decoder's name tells.
    if image.mode in ("I", "F") or ";16" in f"{image.mode} {image.tile}":
        return "has more than 8 bits per channel; scale it to 8 bits first"
    if (frames := getattr(image, "n_frames", 1)) > 1:
        return f"has {frames} frames; allowed is one image per file"
    return None


def _to_rgb(image: Image.Image) -> np.ndarray:
    image = ImageOps.exif_transpose(image)
    if image.has_transparency_data:
        image = image.convert("RGBA")
        image = Image.alpha_composite(Image.new("RGBA", image.size, (0, 0, 0, 255)), image)
    return np.array(image.convert("RGB"))


def _size_problems(rows: list[ManifestRow], pixels: dict[int, np.ndarray]) -> Iterator[_Problem]:
    """Yield the images that are not square, or not of the size that most of them have."""
    sizes = Counter(image.shape for image in pixels.values() if image.shape[0] == image.shape[1])
    for row in rows:
        if row.line not in pixels:
            continue
        height, width, _ = pixels[row.line].shape
        if height != width:
            yield _Problem(row.line, row.path, f"{width}x{height} px; allowed are square images")
            continue
        common = sizes.most_common(1)[0][0][0]
        if height != common:
            what = f"{width}x{height} px; all must have one size, most have {common}x{common} px"
            yield _Problem(row.line, row.path, what)
