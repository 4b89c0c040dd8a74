"""Cut-outs in g, r and z as FITS files."""

import io
import warnings
from dataclasses import dataclass
from importlib.util import find_spec
from threading import Lock
from typing import Any

import numpy as np
from numpy.typing import NDArray

from equimorph.errors import InputError

SIGNATURE = b"SIMPLE  ="  # how every FITS file begins
BANDS = "grz"
LARGEST_SIDE = 3000  # px; the surveys' service gives no more
# An image with more of such pixels in one band has lost part of its sky: no flux is 0 to the last
# digit. Of 4 whole cut-outs none has one.
MOST_EMPTY = 0.02


_ONE_AT_A_TIME = Lock()


@dataclass(frozen=True)
class CutOut:
    """Fluxes of a part of the sky.

    Attributes:
        fluxes: (3, H, W) nanomaggies per pixel in g, r and z, row 0 on top as JPEG files have it.
        pixel_scale: arcsec per px, None where the file does not say it.
    """

    fluxes: NDArray[np.float32]
    pixel_scale: float | None


def need_astropy(what: str) -> None:
    """Check that astropy is installed, which is optional.

    Raises:
        InputError: it is not.
    """
    if not find_spec("astropy"):
        raise InputError(f"{what}: needs the optional package astropy (pip install astropy).")


def read_fits(content: bytes) -> CutOut:
    """Read a FITS file with the fluxes of three bands, as the surveys' service gives them.

    Its first image with data counts: (3, H, W), in the order of the key BANDS, which must be grz; a
    file without that key is taken to have this order.

    Args:
        content: the file's bytes.

    Raises:
        InputError: astropy is missing, the file is cut short or of another kind, has other bands,
            is too large, or lacks data in a part of a band.
    """
    need_astropy("FITS")
    from astropy.io import fits

    # Filters of warnings are those of all threads.
    with _ONE_AT_A_TIME, warnings.catch_warnings():
        warnings.simplefilter("ignore")  # a file that is cut short is told below
        try:
            with fits.open(io.BytesIO(content), memmap=False, lazy_load_hdus=False) as file:
                parts = [part for part in file if part.is_image and part.header.get("NAXIS")]
                header = parts[0].header if parts else None
                data = _data(parts[0], _shape(parts[0].header)) if parts else None
        except InputError:
            raise
        except Exception as error:  # astropy reports damage in many kinds
            raise InputError(f"not a whole FITS file ({error})") from error
    if header is None or data is None:
        raise InputError("holds no image; needed is one of (3, H, W) fluxes in g, r, z")
    bands = str(header.get("BANDS", BANDS)).strip()
    if bands != BANDS:
        raise InputError(f"has the bands {bands[:20]!r}; allowed is {BANDS}")
    for name, band in zip(BANDS, data, strict=True):
        lost = float(((band == 0) | ~np.isfinite(band)).mean())
        if lost > MOST_EMPTY:
            raise InputError(f"has no data in {lost:.0%} of the band {name}")
    # FITS counts rows from below, JPEG from above.
    upright = np.nan_to_num(data[:, ::-1].astype(np.float32), nan=0, posinf=0, neginf=0)
    return CutOut(np.ascontiguousarray(upright), _pixel_scale(header))


def _shape(header: dict) -> tuple[int, ...]:
    return tuple(int(header[f"NAXIS{n}"]) for n in range(int(header["NAXIS"]), 0, -1))


def _data(part: Any, shape: tuple[int, ...]) -> NDArray:
    """Return the data of an image, whose shape the header tells before anything is unpacked."""
    if len(shape) != 3 or shape[0] != len(BANDS) or max(shape) > LARGEST_SIDE:
        raise InputError(
            f"holds an image of shape {shape}; allowed is (3, H, W) in g, r, z, with sides up to "
            f"{LARGEST_SIDE} px"
        )
    data = part.data
    if data is None or data.shape != shape:
        raise InputError("not a whole FITS file (it ends before its data)")
    return data


def _pixel_scale(header: dict) -> float | None:
    """Return arcsec per px, by the matrix of the world coordinates or their steps."""
    keys = ("CD1_1", "CD2_1") if "CD1_1" in header else ("CDELT1",)
    values = [header.get(key, 0.0) for key in keys]
    if not all(isinstance(value, int | float) for value in values):
        return None
    scale = 3600 * float(np.hypot.reduce(np.abs(values)))
    return scale if 0 < scale < np.inf else None
