"""Where the images of a long list come from: files, folders, HDF5 files, tables, the sky."""

import os
import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from threading import Lock
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from equimorph.classify.images import LARGEST_SIDE, SMALLEST_SIDE, Galaxy, read_galaxy
from equimorph.data.manifest import SPELLINGS, letters
from equimorph.data.raw import about, open_raw
from equimorph.data.slices import slice_length
from equimorph.errors import InputError
from equimorph.sky.names import position, resolve_name
from equimorph.sky.service import Position

IMAGE_SUFFIXES = (
    *(".png", ".jpg", ".jpeg", ".tif", ".tiff", ".gif", ".bmp", ".webp", ".ppm", ".jp2"),
    *(".fits", ".fit"),
)
HDF5_SUFFIXES = (".h5", ".hdf5")
TABLE_SUFFIXES = (".csv", ".parquet")
SLICE_BYTES = 8 * 2**20
SLICES = 4  # in memory at a time, since threads read on both sides of a border
TABLE_ROWS = 10_000  # in memory at a time
Fetch = Callable[[Position], Galaxy]


@dataclass(frozen=True)
class Item:
    """An image that is not read yet.

    Attributes:
        name: of the image, the same in every run.
        read: reads it; raises InputError, which does not name it.
    """

    name: str
    read: Callable[[], Galaxy]


class Sources:
    """The images of several inputs, one after the other, in an order that every run repeats."""

    def __init__(
        self,
        inputs: Sequence[str],
        positions: Sequence[Position],
        fetch: Fetch,
        pixel_scale: float | None = None,
    ):
        """Look at what the inputs are; no image is read.

        Args:
            inputs: paths of images, folders, HDF5 files and tables, or names of galaxies.
            positions: more of them, after the inputs.
            fetch: gets the image at a position.
            pixel_scale: arcsec per px of the images in files, also of FITS files that say another.

        Raises:
            InputError: an input is none of these.
        """
        self._fetch, self._scale = fetch, pixel_scale
        self._open = ExitStack()
        self._parts = [self._part(one) for one in inputs]
        self._parts.append(lambda: map(self._sky, positions))

    def __enter__(self) -> "Sources":
        return self

    def __exit__(self, *error: Any) -> None:
        self._open.close()

    def __iter__(self) -> Iterator[Item]:
        for part in self._parts:
            yield from part()

    def _part(self, given: str) -> Callable[[], Iterator[Item]]:
        path, suffix = Path(given), Path(given).suffix.lower()
        try:
            is_folder, is_file = path.is_dir(), path.is_file()
        except (OSError, ValueError):  # a name too long for a path, a zero byte
            is_folder = is_file = False
        if is_folder:
            if next(self._files(path), None) is None:
                raise InputError(
                    f"{given}: no image in this folder; looked for are {', '.join(IMAGE_SUFFIXES)}."
                )
            return lambda: (self._image(file) for file in self._files(path))
        if is_file and suffix in HDF5_SUFFIXES:
            return self._hdf5(path)
        if is_file and suffix in TABLE_SUFFIXES:
            return self._table(path)
        if is_file:
            return lambda: iter([self._image(path)])
        if "/" in given or suffix in (*IMAGE_SUFFIXES, *HDF5_SUFFIXES, *TABLE_SUFFIXES):
            raise InputError(f"{given}: there is no such file.")
        place = resolve_name(given)
        return lambda: iter([self._sky(place)])

    def _files(self, folder: Path) -> Iterator[Path]:
        """Yield the images below a folder, folder by folder, each in order of its names."""
        for place, folders, names in os.walk(folder):
            folders.sort()
            for name in sorted(names):
                if Path(name).suffix.lower() in IMAGE_SUFFIXES:
                    yield Path(place, name)

    def _image(self, path: Path) -> Item:
        # A name that is no UTF-8 could not be written into a table.
        name = str(path).encode(errors="backslashreplace").decode()
        return Item(name, lambda: read_galaxy(path, self._scale))

    def _sky(self, place: Position) -> Item:
        return Item(place.name, lambda: self._fetch(place))

    def _hdf5(self, path: Path) -> Callable[[], Iterator[Item]]:
        images = self._open.enter_context(open_raw(path, keys=("images",)))["images"]
        square = images.ndim == 4 and images.shape[1] == images.shape[2] and images.shape[3] == 3
        fits = square and SMALLEST_SIDE <= images.shape[1] <= LARGEST_SIDE
        if not fits or images.dtype != np.uint8:
            raise InputError(
                f"{path}: key 'images': holds {images.dtype} of shape {images.shape}; allowed is "
                f"uint8 (N, H, H, 3) with H from {SMALLEST_SIDE} to {LARGEST_SIDE}."
            )
        rows = _Rows(path, images)
        names = (f"{path}#{number}" for number in range(len(images)))
        return lambda: (
            Item(name, lambda n=number, name=name: Galaxy(name, rows.read(n), self._scale))  # type: ignore[misc]
            for number, name in enumerate(names)
        )

    def _table(self, path: Path) -> Callable[[], Iterator[Item]]:
        first = next(_chunks(path), pd.DataFrame())
        columns = _columns(path, [str(name) for name in first])
        return lambda: self._rows(path, columns)

    def _rows(self, path: Path, columns: dict[str, str]) -> Iterator[Item]:
        number = 0
        for chunk in _chunks(path):
            chosen = chunk[[*columns.values()]].set_axis([*columns], axis=1)
            for row in chosen.to_dict("records"):
                yield self._row(path, number, {str(key): value for key, value in row.items()})
                number += 1

    def _row(self, table: Path, number: int, row: dict[str, Any]) -> Item:
        if "path" in row:
            return self._image(table.parent / str(row["path"]))
        name = f"{table}#{number}"

        def read() -> Galaxy:
            try:
                place = position(float(row["ra"]), float(row["dec"]), name)
            except ValueError as error:
                raise InputError(f"no position in degrees ({error})") from error
            return self._fetch(place)

        return Item(name, read)


class _Rows:
    """Images of an HDF5 file, which are read slice by slice."""

    def __init__(self, path: Path, images: Any):
        self.path, self.images = path, images
        self.step = slice_length(images.shape, images.chunks, SLICE_BYTES)
        self._slice = lru_cache(SLICES)(self._read_slice)
        self._one_at_a_time = Lock()

    def read(self, number: int) -> NDArray[np.uint8]:
        """Return one image; several threads may ask for those of a few slices that are near."""
        start = number // self.step * self.step
        with self._one_at_a_time:
            # A copy: a view would keep the whole slice in memory after its turn.
            return self._slice(start)[number - start].copy()

    def _read_slice(self, start: int) -> NDArray[np.uint8]:
        with about(self.path, "images"):
            return self.images[start : start + self.step]


def _chunks(path: Path) -> Iterator[pd.DataFrame]:
    """Yield a table's rows, some at a time."""
    try:
        if path.suffix.lower() == ".csv":
            with pd.read_csv(path, chunksize=TABLE_ROWS, skipinitialspace=True) as chunks:
                yield from chunks
            return
        from pyarrow import parquet

        with parquet.ParquetFile(path) as file:
            for batch in file.iter_batches(TABLE_ROWS):
                yield batch.to_pandas()
    except ModuleNotFoundError as error:
        raise InputError(
            f"{path}: needs the optional package pyarrow (pip install pyarrow)."
        ) from (error)
    except (OSError, ValueError) as error:
        raise InputError(f"{path}: not a readable table ({error}).") from error


def _columns(path: Path, names: list[str]) -> dict[str, str]:
    """Return the columns that tell the images: path, or ra and dec in degrees.

    Raises:
        InputError: there are none.
    """
    found = {
        key: name
        for key in ("path", "ra", "dec")
        for name in names[::-1]
        if re.fullmatch(SPELLINGS[key], letters(name))
    }
    if "path" in found:
        return {"path": found["path"]}
    if {"ra", "dec"} <= found.keys():
        return found
    raise InputError(
        f"{path}: has the columns {names[:20]}; needed is path, or ra and dec in degrees."
    )
