"""Cut-outs from the Legacy Surveys' service."""

import io
import time
from dataclasses import dataclass
from threading import BoundedSemaphore
from urllib.parse import urlencode

import numpy as np
import requests
from numpy.typing import NDArray
from requests.exceptions import InvalidSchema, InvalidURL, MissingSchema

from equimorph.data.images import decode
from equimorph.errors import InputError
from equimorph.simulation.exposure import NATIVE_PIXEL
from equimorph.sky.fits import LARGEST_SIDE, SIGNATURE, read_fits
from equimorph.sky.fluxes import to_rgb

# Of config.yaml, for an installed package, which has none.
SERVICE, LAYER = "https://www.legacysurvey.org/viewer", "ls-dr9"
# The colours of these are z, r, g. Plain ls-dr10 gives griz with another colour matrix, whatever
# bands are asked for.
LAYERS = ("ls-dr8", "ls-dr9", "ls-dr10-grz")
AT_ONCE = 4  # requests, of all threads together
_ASKING = BoundedSemaphore(AT_ONCE)
_ANSWERED: set[str] = set()  # addresses of services that have answered
RETRIES = 4
TRANSIENT = (408, 425, 429)
MAX_BYTES = 2**27  # three bands of 3,000 px take 108 MB
BLOCK_BYTES = 2**16


@dataclass(frozen=True)
class Position:
    """A place on the sky.

    Attributes:
        ra: right ascension in degrees.
        dec: declination in degrees.
        name: what it is called.
    """

    ra: float
    dec: float
    name: str


@dataclass(frozen=True)
class Service:
    """The service that makes cut-outs.

    Attributes:
        url: the viewer's address.
        layer: a name in `LAYERS`.
        timeout: seconds for a connection, and for the next bytes.
        deadline: seconds for a whole answer.
        backoff: seconds before the first retry, doubled for each further one.
    """

    url: str = SERVICE
    layer: str = LAYER
    timeout: tuple[float, float] = (10.0, 30.0)
    deadline: float = 120.0
    backoff: float = 1.0

    def __post_init__(self) -> None:
        if self.layer not in LAYERS:
            why = " has the colours of griz" if self.layer == "ls-dr10" else ""
            raise InputError(f"layer {self.layer!r}{why}: allowed are {', '.join(LAYERS)}.")

    def cut_out(
        self, position: Position, side: int, pixel_scale: float = NATIVE_PIXEL, fits: bool = False
    ) -> NDArray[np.uint8]:
        """Return the colours around a position.

        Args:
            position: the centre.
            side: px, at most 3,000: the service clips longer sides without a word.
            pixel_scale: arcsec per px.
            fits: whether fluxes are fetched and stretched here, instead of the service's JPEG file,
                which is compressed.

        Returns:
            (side, side, 3) uint8, north up.

        Raises:
            InputError: the position is outside the survey, the service cannot be reached or answers
                something else, or the size is not allowed.
        """
        if not 1 <= side <= LARGEST_SIDE:
            raise InputError(f"side {side} px: allowed are 1 to {LARGEST_SIDE}.")
        asked = {
            "ra": f"{position.ra:.7f}",
            "dec": f"{position.dec:.7f}",
            "layer": self.layer,
            "pixscale": f"{pixel_scale:.6g}",
            "size": side,
            **({"bands": "grz"} if fits else {}),
        }
        content = self._get(f"{'fits' if fits else 'jpeg'}-cutout?{urlencode(asked)}")
        pixels = self._read(content, pixel_scale, fits)
        if pixels.shape[:2] != (side, side):
            raise InputError(
                f"{self.url}: answers with {pixels.shape[1]}x{pixels.shape[0]} px instead of "
                f"{side}x{side}."
            )
        if (pixels == pixels[:1, :1]).all():
            raise InputError(
                f"{position.ra:.5f} {position.dec:+.5f}: outside the footprint of {self.layer}, "
                "where the service answers with an empty image."
            )
        return pixels

    def _read(self, content: bytes, pixel_scale: float, fits: bool) -> NDArray[np.uint8]:
        try:
            if not fits:
                return decode(content)
            if not content.startswith(SIGNATURE):
                raise InputError("not a FITS file")
            return to_rgb(read_fits(content).fluxes, pixel_scale)
        except InputError as error:
            raise InputError(f"{self.url}: its answer cannot be used: {error}.") from error

    def _get(self, query: str) -> bytes:
        """Return an answer, after as many attempts as it needs.

        Raises:
            InputError: there is none.
        """
        reason = ""
        for attempt in range(RETRIES + 1):
            if attempt:
                time.sleep(self.backoff * 2 ** (attempt - 1))
            try:
                return self._attempt(f"{self.url.rstrip('/')}/{query}")
            except _TransientError as error:
                reason = str(error)
        kind = InputError if self.url in _ANSWERED else UnreachableError
        raise kind(
            f"{self.url}: {reason} (after {RETRIES + 1} attempts). The sky's images need a "
            "connection to it; files on this machine can be classified without."
        )

    def _attempt(self, url: str) -> bytes:
        started = time.monotonic()
        content = io.BytesIO()
        try:
            with _ASKING, requests.get(url, stream=True, timeout=self.timeout) as answer:
                _ANSWERED.add(self.url)
                status = answer.status_code
                if status in TRANSIENT or status >= 500:
                    raise _TransientError(f"HTTP status {status} {answer.reason}")
                if status != 200:
                    raise InputError(f"{self.url}: HTTP status {status} {answer.reason}.")
                for block in answer.iter_content(BLOCK_BYTES):
                    content.write(block)
                    if content.tell() > MAX_BYTES:
                        raise InputError(f"{self.url}: sends more than {MAX_BYTES} bytes.")
                    if time.monotonic() - started > self.deadline:
                        raise _TransientError(f"takes longer than {self.deadline:g} s")
        except (InvalidSchema, InvalidURL, MissingSchema) as error:
            raise InputError(f"{self.url}: not a usable address ({error}).") from error
        except requests.RequestException as error:
            raise _TransientError(f"cannot be reached ({type(error).__name__})") from error
        return content.getvalue()


class UnreachableError(InputError):
    """The service has not answered once: further requests are of no use."""


class _TransientError(Exception):
    """Another attempt may get an answer."""
